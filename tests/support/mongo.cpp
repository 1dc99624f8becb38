#include "mongo.h"

#include <fcntl.h>
#include <mongoc/mongoc.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "loopback.h"

namespace geo::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const char* environment(const char* name) {
  const char* const value = std::getenv(name);
  return value && *value ? value : nullptr;
}

std::optional<fs::path> on_path(const char* program) {
  std::istringstream path(environment("PATH") ? environment("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');) {
    if (::access((fs::path(folder) / program).c_str(), X_OK) == 0) return fs::path(folder) / program;
  }
  return {};
}

bool answers(const std::string& uri) {
  mongoc_client_t* const client = mongoc_client_new(uri.c_str());
  if (!client) return false;
  bson_t ping = BSON_INITIALIZER;
  BSON_APPEND_INT32(&ping, "ping", 1);
  const bool there = mongoc_client_command_simple(client, "admin", &ping, nullptr, nullptr, nullptr);
  bson_destroy(&ping);
  mongoc_client_destroy(client);
  return there;
}

class Server {
 public:
  // Null: there is none.
  static std::unique_ptr<Server> start() {
    mongoc_init();
    mongoc_log_set_handler([](mongoc_log_level_t, const char*, const char*, void*) {}, nullptr);
    std::unique_ptr<Server> out(new Server);
    if (const char* given = environment("GEO_TEST_MONGODB_URI")) {
      out->uri_ = given;
    } else if (const auto mongod = on_path("mongod")) {
      const Loopback free = listen_on_loopback(1);
      const std::string port = std::to_string(free.port());
      ::close(free.socket);
      out->run(
          {*mongod, "--quiet", "--nounixsocket", "--bind_ip", "127.0.0.1", "--port", port, "--dbpath", out->folder()});
      out->uri_ = "mongodb://127.0.0.1:" + port;
    } else if (fs::exists(GEO_MONGO_SERVER)) {
      out->run({GEO_MONGO_SERVER, out->folder(), "0"});
      out->uri_ = out->first_line();
    } else {
      return nullptr;
    }
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!answers(out->uri_)) {
      if (std::chrono::steady_clock::now() > deadline || !out->is_running())
        throw std::runtime_error("there is a MongoDB server, but it does not start");
    }
    return out;
  }

  ~Server() {
    if (process_ > 0) {
      ::kill(process_, SIGKILL);
      ::waitpid(process_, nullptr, 0);
    }
    if (output_ >= 0) ::close(output_);
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  const std::string& uri() const { return uri_; }

 private:
  const std::string& folder() {
    if (folder_.empty()) {
      folder_ = (fs::temp_directory_path() / "geo-mongo-XXXXXX").string();
      if (!::mkdtemp(folder_.data())) throw std::runtime_error("no temporary folder");
    }
    return folder_;
  }

  void run(std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    std::vector<char*> list;
    for (std::string& argument : arguments) list.push_back(argument.data());
    list.push_back(nullptr);
    const pid_t parent = ::getpid();
    process_ = ::fork();
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(127);
      ::dup2(ends[1], STDOUT_FILENO);
      ::execv(list[0], list.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
  }

  std::string first_line() const {
    std::string line;
    pollfd wait{output_, POLLIN, 0};
    for (char c = 0; ::poll(&wait, 1, 60'000) > 0 && ::read(output_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  bool is_running() { return process_ < 0 || ::waitpid(process_, nullptr, WNOHANG) == 0 || (process_ = -1, false); }

  std::string uri_;
  std::string folder_;
  pid_t process_ = -1;
  int output_ = -1;
};

const Server* server() {
  static const std::unique_ptr<Server> it = Server::start();
  return it.get();
}

mongoc_client_t* client_of(const std::string& uri) {
  mongoc_client_t* const out = mongoc_client_new(uri.c_str());
  if (!out) throw std::runtime_error("GEO_TEST_MONGODB_URI cannot be read");
  return out;
}

}  // namespace

void OnMongo::SetUp() {
  const Server* const it = server();
  if (!it) {
    constexpr const char* kNone = "no MongoDB server: tests/support/mongo/build build/mongo-server makes one";
    if (environment("GEO_REQUIRE_MONGODB")) FAIL() << kNone;
    GTEST_SKIP() << kNone;
  }
  static int count = 0;
  uri_ = it->uri();
  database_ = "geo_test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
}

void OnMongo::TearDown() {
  if (database_.empty()) return;
  mongoc_client_t* const client = client_of(uri_);
  mongoc_database_t* const database = mongoc_client_get_database(client, database_.c_str());
  mongoc_database_drop(database, nullptr);
  mongoc_database_destroy(database);
  mongoc_client_destroy(client);
}

void OnMongo::put(const std::string& collection, std::string_view bson) const {
  bson_t document;
  if (!bson_init_static(&document, reinterpret_cast<const std::uint8_t*>(bson.data()), bson.size()))
    throw std::runtime_error("put: not BSON");
  mongoc_client_t* const client = client_of(uri_);
  mongoc_collection_t* const into = mongoc_client_get_collection(client, database_.c_str(), collection.c_str());
  bson_error_t error{};
  bson_t unchecked = BSON_INITIALIZER;
  BSON_APPEND_BOOL(&unchecked, "validate", false);
  const bool done = mongoc_collection_insert_one(into, &document, &unchecked, nullptr, &error);
  bson_destroy(&unchecked);
  mongoc_collection_destroy(into);
  mongoc_client_destroy(client);
  if (!done) throw std::runtime_error(error.message);
}

std::map<std::string, std::int64_t> OnMongo::indexes(const std::string& collection) const {
  std::map<std::string, std::int64_t> out;
  mongoc_client_t* const client = client_of(uri_);
  mongoc_collection_t* const in = mongoc_client_get_collection(client, database_.c_str(), collection.c_str());
  mongoc_cursor_t* const cursor = mongoc_collection_find_indexes_with_opts(in, nullptr);
  for (const bson_t* index = nullptr; mongoc_cursor_next(cursor, &index);) {
    bson_iter_t name, seconds;
    if (!bson_iter_init_find(&name, index, "name")) continue;
    out[bson_iter_utf8(&name, nullptr)] =
        bson_iter_init_find(&seconds, index, "expireAfterSeconds") ? bson_iter_as_int64(&seconds) : -1;
  }
  mongoc_cursor_destroy(cursor);
  mongoc_collection_destroy(in);
  mongoc_client_destroy(client);
  return out;
}

}  // namespace geo::test

#ifdef __SANITIZE_THREAD__
// libmongoc counts who holds its picture of the servers by atomics that the sanitizer does not see in a library that
// was built without it: who frees the last of it seems to race with who read it. Memory of libbson's is all this hides.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
  return "race:libbson-1.0.so\n";
}
#endif
