// One GET by libcurl, which is told here what it may do: nothing is left to its own ideas of an environment.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "geo/io/checks.h"
#include "io/checks/schedule.h"

namespace geo::io::checks {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* it) const {
    kFree(it);
  }
};
using Easy = std::unique_ptr<CURL, Freed<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Freed<curl_multi_cleanup>>;

inline constexpr std::size_t kBodyMax = 64 << 10;
inline constexpr std::size_t kHeaderMax = 64 << 10;

// Of a URL as libcurl understands it.
struct Host {
  std::string name;  // an IPv6 address in brackets
  std::string port;
  bool is_name = false;  // none: an address
  std::string at() const { return name + ':' + port; }
};
std::optional<Host> host_of(const std::string& url);

struct Ended {
  std::shared_ptr<Target> target;
  CheckOutcome outcome = CheckOutcome::failed;
  std::string why;
  std::string body;  // of one that passed; nothing where it is too long
};

// A check's outcome by what libcurl says; it is used for one check after another.
// Threads: one alone.
class Fetch {
 public:
  // Throws std::bad_alloc.
  Fetch(const CheckSettings& settings, const std::string& ca_file);
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  CURL* easy() const { return easy_.get(); }
  static Fetch& of(CURL* easy);

  // addresses: "HOST:PORT:ADDRESS,.." to be asked at, "-HOST:PORT" to be forgotten.
  void begin(std::shared_ptr<Target> target, const std::vector<std::string>& addresses,
             std::chrono::milliseconds connect_at_most);
  bool is_under_way() const { return target_ != nullptr; }
  Ended end(CURLcode code);

  // On the clock of those who wait.
  std::chrono::nanoseconds deadline{0};
  CURLM* multi = nullptr;  // where it is under way

 private:
  struct Reason {
    std::string why;
    CheckOutcome outcome = CheckOutcome::failed;
  };
  Reason reason_of(CURLcode code) const;
  long status() const;
  static std::size_t on_header(const char* bytes, std::size_t one, std::size_t size, void* user);
  static std::size_t on_body(const char* bytes, std::size_t one, std::size_t size, void* user);
  static curl_socket_t on_socket(void* user, curlsocktype purpose, curl_sockaddr* address);

  Easy easy_;
  std::unique_ptr<curl_slist, Freed<curl_slist_free_all>> addresses_;
  std::shared_ptr<Target> target_;
  std::string body_;
  std::size_t header_bytes_ = 0;
  bool has_enough_ = false;  // of a body
  bool lacks_means_ = false;
};

}  // namespace geo::io::checks
