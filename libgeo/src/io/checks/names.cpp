#include "io/checks/names.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace geo::io::checks {
namespace {

constexpr int kAddressesMax = 16;

Found failed(std::string why) { return {.addresses = {}, .why = std::move(why)}; }

}  // namespace

Found look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  Found found;
  if (error == 0) {
    int count = 0;
    for (const addrinfo* each = list; each != nullptr && count < kAddressesMax; each = each->ai_next, ++count) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      const bool v6 = each->ai_family == AF_INET6;
      const void* const bytes =
          v6 ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(each->ai_addr)->sin6_addr)
             : &reinterpret_cast<sockaddr_in*>(each->ai_addr)->sin_addr;
      ::inet_ntop(each->ai_family, bytes, text.data(), text.size());
      if (!found.addresses.empty()) found.addresses += ',';
      found.addresses += v6 ? '[' + std::string(text.data()) + ']' : text.data();
    }
    ::freeaddrinfo(list);
  }
  if (!found.addresses.empty()) return found;
  found = failed("its name cannot be resolved");
  found.is_final = error == EAI_NONAME || error == EAI_NODATA;
  found.is_ours = error == EAI_MEMORY || error == EAI_SYSTEM;
  return found;
}

// What waits and what was found, between Names and those who look up. Each thread ends when nothing waits.
class Names::Threads : public std::enable_shared_from_this<Threads> {
 public:
  struct Event {
    std::string host;
    std::optional<Found> found;  // nothing: a thread has begun with it
  };

  Threads(LookUp look_up, std::function<void()> changed) : look_up_(std::move(look_up)), changed_(std::move(changed)) {}

  void add(const std::string& host) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(host);
    if (threads_ == kLookUpsMax) return;
    try {
      std::thread([self = shared_from_this()] { self->run(); }).detach();
      ++threads_;
    } catch (const std::system_error&) {
      if (threads_ != 0) return;  // those that are there will come to it
      waiting_.clear();
      Found none = failed("no thread could be started to look up its name");
      none.is_ours = true;
      events_.push_back({host, std::move(none)});
      changed_();
    }
  }
  std::vector<Event> take_events() {
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
    changed_ = [] {};
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!waiting_.empty()) {
      const std::string host = std::move(waiting_.front());
      waiting_.pop_front();
      events_.push_back({host, {}});
      changed_();
      lock.unlock();
      const auto before = std::chrono::steady_clock::now();
      Found found = look_up_(host);
      found.took = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - before);
      lock.lock();
      events_.push_back({host, std::move(found)});
      changed_();
    }
    --threads_;
  }

  const LookUp look_up_;
  std::mutex mutex_;
  std::function<void()> changed_;
  std::deque<std::string> waiting_;  // each name at most once
  std::vector<Event> events_;
  std::size_t threads_ = 0;
};

Names::Names(LookUp look_up, std::chrono::milliseconds patience, std::function<void()> changed)
    : patience_(patience), threads_(std::make_shared<Threads>(std::move(look_up), std::move(changed))) {}

Names::~Names() { threads_->stop(); }

void Names::begin(const std::string& host, Name& name) {
  name.asked = true;
  threads_->add(host);
}

std::optional<Found> Names::ask(const std::string& host, MonotonicTime now) {
  Name& name = names_[host];
  const bool is_over = now >= name.again;
  if (!name.asked && (!name.found || is_over)) begin(host, name);
  if (name.found && !name.found->addresses.empty()) return name.found;  // the old ones, until there are new ones
  if (name.late) return failed("its name was not resolved in time");
  if (name.asked) return std::nullopt;
  return name.found;
}

std::vector<std::string> Names::turn(MonotonicTime now) {
  std::vector<std::string> answered;
  for (Threads::Event& event : threads_->take_events()) {
    const auto at = names_.find(event.host);
    if (at == names_.end()) continue;
    Name& name = at->second;
    if (!event.found) {
      name.running = now;
      running_.insert(event.host);
      continue;
    }
    running_.erase(event.host);
    name.asked = name.late = false;
    name.running.reset();
    const bool is_good = !event.found->addresses.empty();
    name.again = now + (is_good ? kNameLife : kNameRetry);
    if (is_good || event.found->is_final || !name.found || name.found->addresses.empty())
      name.found = std::move(event.found);
    answered.push_back(std::move(event.host));
  }
  for (const std::string& host : running_) {
    Name& name = names_.at(host);
    if (name.late || now < *name.running + patience_) continue;
    name.late = true;
    answered.push_back(host);
  }
  return answered;
}

MonotonicTime Names::next() const {
  auto next = MonotonicTime::max();
  for (const std::string& host : running_)
    if (const Name& name = names_.at(host); !name.late) next = std::min(next, *name.running + patience_);
  return next;
}

void Names::keep(const std::unordered_set<std::string>& hosts) {
  std::erase_if(names_, [&](const auto& each) { return !each.second.asked && !hosts.contains(each.first); });
}

}  // namespace geo::io::checks
