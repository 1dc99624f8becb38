#include "mongo_set.h"

#include <bson/bson.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <set>
#include <utility>

#include "loopback.h"
#include "mongo_line.h"
#include "mongo_wire.h"

namespace geo::test {
namespace {

constexpr std::int32_t kOpReply = 1;
constexpr std::int32_t kOpQuery = 2004;
constexpr const char* kName = "geo";

std::int32_t int32_at(const std::string& bytes, std::size_t at) {
  std::int32_t out = 0;
  std::memcpy(&out, bytes.data() + at, sizeof out);
  return out;
}

// Where the document of a message begins.
std::size_t body_at(const std::string& message) {
  switch (int32_at(message, 12)) {
    case kOpReply:
      return 36;
    case kOpQuery:
      return message.find('\0', 20) + 9;
    default:
      return 21;
  }
}

bson_t body_of(const std::string& message) {
  const std::size_t at = body_at(message);
  bson_t out;
  bson_init_static(&out, reinterpret_cast<const std::uint8_t*>(message.data() + at),
                   static_cast<std::size_t>(int32_at(message, at)));
  return out;
}

// The message with another document.
std::string with_body(const std::string& message, std::string_view body) {
  const std::size_t at = body_at(message);
  std::string out = message.substr(0, at).append(body);
  out += message.substr(at + static_cast<std::size_t>(int32_at(message, at)));
  return int32_bytes(static_cast<std::int32_t>(out.size())) + out.substr(4);
}

std::string with_body(const std::string& message, const bson_t& body) {
  return with_body(message, {reinterpret_cast<const char*>(bson_get_data(&body)), body.len});
}

std::string reply_to(const std::string& question, const std::string& body) {
  const std::string payload = int32_bytes(0) + std::string(1, '\0') + body;
  return int32_bytes(static_cast<std::int32_t>(16 + payload.size())) + int32_bytes(1) + question.substr(4, 4) +
         int32_bytes(2013) + payload;
}

// By it drivers know, from servers since 4.4, what they may try once more.
constexpr const char* kLabel = "RetryableWriteError";

std::string error_of(std::int32_t code) {
  return document(element(0x10, "code", int32_bytes(code)) + text("errmsg", "not primary, or no longer") +
                  element(0x04, "errorLabels", document(text("0", kLabel))) +
                  element(0x01, "ok", std::string(8, '\0')));
}

// Of whom it is asked does not matter.
bool is_of_anyone(const std::string& command) {
  static const std::set<std::string> kThese{"saslStart",   "saslContinue", "ping",
                                            "endSessions", "killCursors",  "getMore"};
  return kThese.contains(command);
}

// A write's session and number; "": it is not to be tried again.
std::string number_of(const bson_t& command) {
  bson_iter_t session, number;
  if (!bson_iter_init_find(&session, &command, "lsid") || !bson_iter_init_find(&number, &command, "txnNumber"))
    return "";
  std::uint32_t size = 0;
  const std::uint8_t* bytes = nullptr;
  bson_iter_document(&session, &size, &bytes);
  return std::string(reinterpret_cast<const char*>(bytes), size) + std::to_string(bson_iter_int64(&number));
}

}  // namespace

struct ReplicaSet::Member {
  int index = 0;
  int listener = -1;
  std::string address;
  std::atomic<bool> stopped{false}, silent{false};
  std::thread accepts;
};

struct ReplicaSet::Line {
  const Member& member;
  int client = -1, server = -1;
  std::thread thread;
};

ReplicaSet::ReplicaSet(const std::string& uri, int members, Hook hook, Sessions sessions)
    : hook_(std::move(hook)), sessions_(sessions) {
  const MongoUri given = split_mongo_uri(uri);
  host_ = given.host;
  port_ = given.port;
  std::string addresses;
  for (int i = 0; i < members; ++i) {
    const Loopback loopback = listen_on_loopback(64);
    Member& member = *members_.emplace_back(std::make_unique<Member>());
    member.index = i;
    member.listener = loopback.socket;
    member.address = "127.0.0.1:" + std::to_string(loopback.port());
    addresses += (i == 0 ? "" : ",") + member.address;
  }
  uri_ = given.before + addresses + (given.after.find('?') == given.after.npos ? "/?" : given.after + "&") +
         "replicaSet=" + kName;
  for (const auto& member : members_) member->accepts = std::thread([this, &member = *member] { accept(member); });
}

ReplicaSet::~ReplicaSet() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const Line& line : lines_) {
      ::shutdown(line.client, SHUT_RDWR);
      ::shutdown(line.server, SHUT_RDWR);
    }
  }
  for (const auto& member : members_) {
    ::shutdown(member->listener, SHUT_RDWR);
    member->accepts.join();
    ::close(member->listener);
  }
  for (Line& line : lines_) {
    line.thread.join();
    ::close(line.client);
    ::close(line.server);
  }
}

void ReplicaSet::stop(int member) {
  const std::lock_guard lock(mutex_);
  members_[static_cast<std::size_t>(member)]->stopped = true;
  for (const Line& line : lines_)
    if (line.member.index == member) ::shutdown(line.client, SHUT_RDWR);
}

void ReplicaSet::silence(int member) { members_[static_cast<std::size_t>(member)]->silent = true; }

void ReplicaSet::accept(Member& member) {
  for (;;) {
    const int client = ::accept4(member.listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = member.stopped ? -1 : connect_to(host_, port_);
    const std::lock_guard lock(mutex_);
    if (stopping_ || member.stopped || server < 0) {
      ::close(client);
      if (server >= 0) ::close(server);
      continue;
    }
    Line& line = lines_.emplace_back(Line{member, client, server, {}});
    line.thread = std::thread([this, &line] { serve(line); });
  }
}

void ReplicaSet::serve(Line& line) {
  std::string sent;
  for (bool lives = true; lives && receive(line.client, sent);) {
    for (std::string message; lives && !(message = message_of(sent)).empty();) {
      if (line.member.silent) continue;
      const std::string reply = answer(line, message);
      lives = !reply.empty() && send_all(line.client, reply);
    }
  }
  ::shutdown(line.client, SHUT_RDWR);
  ::shutdown(line.server, SHUT_RDWR);
}

// "": none, and no more connection.
std::string ReplicaSet::answer(Line& line, const std::string& message) {
  const auto pass = [&](const std::string& question) {
    std::string bytes, reply;
    if (!send_all(line.server, question)) return reply;
    while ((reply = message_of(bytes)).empty() && receive(line.server, bytes)) {
    }
    return reply;
  };
  const std::string command = command_of(message);
  if (command.empty() || command == "hello" || command == "isMaster" || command == "ismaster")
    return greeting(line.member, message, pass(message));
  if (is_of_anyone(command)) return pass(message);

  const bson_t body = body_of(message);
  const std::string number = number_of(body);
  if (line.member.index != primary_)
    return reply_to(message, error_of(command == "find" ? kNotPrimaryNoSecondaryOk : kNotWritablePrimary));
  const Then then = hook_(command);
  if (then.what == Then::What::refuse) return reply_to(message, error_of(then.code));

  std::string reply;
  if (number.empty()) {
    reply = pass(message);
  } else {
    std::unique_lock lock(mutex_);
    if (const auto at = done_.find(number); at != done_.end()) return reply_to(message, at->second);
    lock.unlock();
    bson_t plain = BSON_INITIALIZER;
    bson_copy_to_excluding_noinit(&body, &plain, "txnNumber", nullptr);
    reply = pass(with_body(message, plain));
    bson_destroy(&plain);
    if (reply.empty()) return reply;
    lock.lock();
    done_[number] = reply.substr(body_at(reply));
  }
  if (then.what == Then::What::lose || reply.empty()) return "";
  if (then.what == Then::What::pass) return reply;
  bson_t doubtful, error, labels;
  const bson_t was = body_of(reply);
  bson_copy_to(&was, &doubtful);
  bson_append_document_begin(&doubtful, "writeConcernError", -1, &error);
  BSON_APPEND_INT32(&error, "code", then.code);
  BSON_APPEND_UTF8(&error, "errmsg", "operation was interrupted");
  bson_append_document_end(&doubtful, &error);
  bson_append_array_begin(&doubtful, "errorLabels", -1, &labels);
  BSON_APPEND_UTF8(&labels, "0", kLabel);
  bson_append_array_end(&doubtful, &labels);
  reply = with_body(reply, doubtful);
  bson_destroy(&doubtful);
  return reply;
}

// The server's own, but of a member.
std::string ReplicaSet::greeting(const Member& member, const std::string& message, const std::string& reply) const {
  if (reply.empty() || (command_of(message).empty() && message.find("aster") == message.npos)) return reply;
  const bson_t was = body_of(reply);
  bson_t out = BSON_INITIALIZER;
  bson_copy_to_excluding_noinit(&was, &out, "ismaster", "isWritablePrimary", "secondary", "topologyVersion", "msg",
                                "helloOk", "logicalSessionTimeoutMinutes", nullptr);
  const int primary = primary_;
  const bool is_primary = member.index == primary;
  BSON_APPEND_BOOL(&out, "ismaster", is_primary);
  BSON_APPEND_BOOL(&out, "isWritablePrimary", is_primary);
  BSON_APPEND_BOOL(&out, "secondary", !is_primary);
  BSON_APPEND_UTF8(&out, "setName", kName);
  BSON_APPEND_INT32(&out, "setVersion", 1);
  BSON_APPEND_UTF8(&out, "me", member.address.c_str());
  if (primary != kNobody)
    BSON_APPEND_UTF8(&out, "primary", members_[static_cast<std::size_t>(primary)]->address.c_str());
  if (sessions_ == Sessions::some) BSON_APPEND_INT32(&out, "logicalSessionTimeoutMinutes", 30);
  bson_t hosts;
  bson_append_array_begin(&out, "hosts", -1, &hosts);
  for (std::size_t i = 0; i < members_.size(); ++i)
    bson_append_utf8(&hosts, std::to_string(i).c_str(), -1, members_[i]->address.c_str(), -1);
  bson_append_array_end(&out, &hosts);
  std::string made = with_body(reply, out);
  bson_destroy(&out);
  return made;
}

}  // namespace geo::test
