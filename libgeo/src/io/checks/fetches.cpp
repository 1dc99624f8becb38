#include "io/checks/fetches.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <utility>

#include "geo/base/ip.h"

namespace geo::io::checks {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr long kOk = 200;
// So that a node is asked now and then for what its clients need: a new connection, at its address, with its
// certificate.
constexpr long kConnectionLife_s = 60;
// Debian's bundle takes some 20 ms to read; an authority that came or went is noticed after that.
constexpr long kAuthoritiesLife_s = 600;

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* it) const {
    kFree(it);
  }
};
using Easy = std::unique_ptr<CURL, Freed<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Freed<curl_multi_cleanup>>;
using List = std::unique_ptr<curl_slist, Freed<curl_slist_free_all>>;
using Url = std::unique_ptr<CURLU, Freed<curl_url_cleanup>>;

class Descriptor {
 public:
  Descriptor(int descriptor, const char* what) : descriptor_(descriptor) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), what);
  }
  ~Descriptor() { ::close(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

struct Fetch {
  Easy easy;
  List resolve;
  std::shared_ptr<Target> target;  // null: nothing is under way
  std::string body;
  std::size_t header_bytes = 0;
  bool has_enough = false;  // of a body
  bool lacks_means = false;
};

// What libcurl takes for "end this transfer now".
constexpr std::size_t kEnough = CURL_WRITEFUNC_ERROR;

std::size_t on_header(const char* bytes, std::size_t /*one*/, std::size_t size, void* user) {
  Fetch& fetch = *static_cast<Fetch*>(user);
  fetch.header_bytes += size;
  if (fetch.header_bytes > kHeaderMax) return kEnough;
  const std::string_view line(bytes, size);
  if (line != "\r\n" && line != "\n") return size;
  long status = 0;
  ::curl_easy_getinfo(fetch.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  return status > kOk ? kEnough : size;  // whatever its body says, and however long it takes to say it
}

std::size_t on_body(const char* bytes, std::size_t /*one*/, std::size_t size, void* user) {
  Fetch& fetch = *static_cast<Fetch*>(user);
  if (fetch.body.size() + size > kBodyMax) {
    fetch.has_enough = true;
    fetch.body.clear();
    return kEnough;
  }
  fetch.body.append(bytes, size);
  return size;
}

curl_socket_t on_socket(void* user, curlsocktype /*purpose*/, curl_sockaddr* address) {
  const int socket = ::socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (socket < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
    static_cast<Fetch*>(user)->lacks_means = true;
  return socket;
}

// Nothing is left to libcurl's own ideas of an environment: proxies, files of passwords, other protocols.
void set_up(Fetch& fetch, const CheckSettings& settings, const std::string& ca_file) {
  CURL* const easy = fetch.easy.get();
  const auto set = [easy](CURLoption option, auto value) { ::curl_easy_setopt(easy, option, value); };
  set(CURLOPT_PRIVATE, &fetch);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, &fetch);
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, &fetch);
  set(CURLOPT_OPENSOCKETFUNCTION, on_socket);
  set(CURLOPT_OPENSOCKETDATA, &fetch);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_USERAGENT, settings.user_agent.c_str());
  set(CURLOPT_MAXLIFETIME_CONN, kConnectionLife_s);
  set(CURLOPT_DNS_CACHE_TIMEOUT, -1L);  // what it knows of names it is told for each check
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!ca_file.empty()) set(CURLOPT_CAINFO, ca_file.c_str());
  set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // with a folder of them, they would be read each time
  set(CURLOPT_CA_CACHE_TIMEOUT, kAuthoritiesLife_s);
}

struct Reason {
  std::string why;
  CheckOutcome outcome = CheckOutcome::failed;
};

Reason reason_of(CURLcode code, const Fetch& fetch) {
  long error = 0;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {"it did not answer in time"};
    case CURLE_COULDNT_CONNECT:
      if (fetch.lacks_means) return {"no socket could be opened here", CheckOutcome::not_made};
      ::curl_easy_getinfo(fetch.easy.get(), CURLINFO_OS_ERRNO, &error);
      return {error == ECONNREFUSED ? "it refused the connection" : "it cannot be reached"};
    case CURLE_COULDNT_RESOLVE_HOST:
      return {"its name cannot be resolved"};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {"its certificate is not trusted"};
    case CURLE_SSL_CONNECT_ERROR:
      return {"TLS failed"};
    case CURLE_GOT_NOTHING:
      return {"it closed the connection without an answer"};
    case CURLE_PARTIAL_FILE:
      return {"it cut its answer short"};
    case CURLE_WRITE_ERROR:
      return {"its answer is too long"};
    case CURLE_UNSUPPORTED_PROTOCOL:  // HTTP/0.9: bytes that are no header
    case CURLE_WEIRD_SERVER_REPLY:
      return {"its answer is no HTTP"};
    case CURLE_SSL_CACERT_BADFILE:
      return {"the certificates of authorities cannot be read", CheckOutcome::not_made};
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
      return {"it could not be asked", CheckOutcome::not_made};
    default:
      return {"the connection failed"};
  }
}

void start_libcurl() {
  static const CURLcode started = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw std::runtime_error("libcurl cannot be started");
}

}  // namespace

std::optional<Host> host_of(const std::string& url) {
  const Url parsed(::curl_url());
  if (parsed == nullptr || ::curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    return std::nullopt;
  const auto part = [&](CURLUPart which, unsigned flags) {
    char* text = nullptr;
    std::string out;
    if (::curl_url_get(parsed.get(), which, &text, flags) == CURLUE_OK) out = text;
    ::curl_free(text);
    return out;
  };
  const std::string scheme = part(CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") return std::nullopt;
  Host host{part(CURLUPART_HOST, 0), part(CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  if (host.name.empty() || host.port.empty()) return std::nullopt;
  host.is_name = !host.name.starts_with('[') && !Ip::parse(host.name);
  return host;
}

// epoll and libcurl's socket interface: a turn costs what happened in it, not what is open.
class Fetches::Impl {
 public:
  explicit Impl(const CheckSettings& settings)
      : settings_(settings),
        epoll_(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd") {
    start_libcurl();
    const char* const file = std::getenv("SSL_CERT_FILE");
    ca_file_ = !settings.ca_file.empty() ? settings.ca_file : file != nullptr ? file : "";
    multi_.reset(::curl_multi_init());
    if (multi_ == nullptr) throw std::bad_alloc();
    const auto set = [this](CURLMoption option, auto value) { ::curl_multi_setopt(multi_.get(), option, value); };
    set(CURLMOPT_SOCKETFUNCTION, &Impl::on_interest);
    set(CURLMOPT_SOCKETDATA, this);
    set(CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
    set(CURLMOPT_TIMERDATA, this);
    set(CURLMOPT_MAXCONNECTS, static_cast<long>(std::max<std::size_t>(settings.connections_max, 1)));
    listen_for(wake_.get(), EPOLLIN);
  }
  ~Impl() {
    for (const auto& fetch : fetches_)
      if (fetch->target != nullptr) ::curl_multi_remove_handle(multi_.get(), fetch->easy.get());
  }

  bool has_room() const { return !free_.empty() || fetches_.size() < settings_.most_at_once; }

  void start(std::shared_ptr<Target> target, const Host& host, const std::string& addresses, milliseconds budget) {
    Fetch* const fetch = take();
    if (fetch == nullptr) return not_made(std::move(target));
    CURL* const easy = fetch->easy.get();
    fetch->resolve.reset();
    for (const std::string& each : gone_) tell(*fetch, '-' + each);
    gone_.clear();
    if (host.is_name) {
      tell(*fetch, host.at() + ':' + addresses);
      told_.insert(host.at());
    }
    fetch->body.clear();
    fetch->header_bytes = 0;
    fetch->has_enough = fetch->lacks_means = false;
    ::curl_easy_setopt(easy, CURLOPT_URL, target->node.url.c_str());
    ::curl_easy_setopt(easy, CURLOPT_RESOLVE, fetch->resolve.get());
    ::curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, target->keeps_connection ? 0L : 1L);
    ::curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max(budget, milliseconds(1)).count()));
    if (::curl_multi_add_handle(multi_.get(), easy) != CURLM_OK) {
      free_.push_back(fetch);
      return not_made(std::move(target));
    }
    fetch->target = std::move(target);
  }

  std::vector<Ended> wait(milliseconds most) {
    if (!ended_.empty()) most = milliseconds(0);
    if (timer_) most = std::min(most, std::chrono::ceil<milliseconds>(*timer_ - steady_clock::now()));
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(),
                                   static_cast<int>(std::clamp(most, milliseconds(0), milliseconds(60'000)).count()));
    int running = 0;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == wake_.get()) {
        eventfd_t ignored;
        ::eventfd_read(wake_.get(), &ignored);
        continue;
      }
      const unsigned what = events[i].events;
      const int mask = ((what & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) | ((what & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                       ((what & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
      ::curl_multi_socket_action(multi_.get(), events[i].data.fd, mask, &running);
    }
    if (timer_ && *timer_ <= steady_clock::now()) {
      timer_.reset();
      ::curl_multi_socket_action(multi_.get(), CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect();
    return std::exchange(ended_, {});
  }

  void wake() const { ::eventfd_write(wake_.get(), 1); }

  void keep(const std::unordered_set<std::string>& hosts) {
    std::erase_if(told_, [&](const std::string& each) {
      if (hosts.contains(each)) return false;
      gone_.push_back(each);
      return true;
    });
  }

 private:
  // Null: there is no memory.
  Fetch* take() {
    if (free_.empty()) {
      auto fetch = std::make_unique<Fetch>();
      fetch->easy.reset(::curl_easy_init());
      if (fetch->easy == nullptr) return nullptr;
      set_up(*fetch, settings_, ca_file_);
      free_.push_back(fetches_.emplace_back(std::move(fetch)).get());
    }
    Fetch* const fetch = free_.back();
    free_.pop_back();
    return fetch;
  }

  static void tell(Fetch& fetch, const std::string& line) {
    if (curl_slist* const longer = ::curl_slist_append(fetch.resolve.get(), line.c_str()); longer != nullptr) {
      (void)fetch.resolve.release();
      fetch.resolve.reset(longer);
    }
  }

  void not_made(std::shared_ptr<Target> target) {
    ended_.push_back({std::move(target), CheckOutcome::not_made, "it could not be asked", {}});
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* const message = ::curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      CURL* const easy = message->easy_handle;
      Fetch* fetch = nullptr;
      ::curl_easy_getinfo(easy, CURLINFO_PRIVATE, &fetch);
      ended_.push_back(end_of(*fetch, code));
      ::curl_multi_remove_handle(multi_.get(), easy);
      free_.push_back(fetch);
    }
  }

  static Ended end_of(Fetch& fetch, CURLcode code) {
    long status = 0;
    ::curl_easy_getinfo(fetch.easy.get(), CURLINFO_RESPONSE_CODE, &status);
    Ended ended{std::exchange(fetch.target, nullptr), CheckOutcome::passed, {}, {}};
    if (status > kOk || (code == CURLE_OK && status != kOk)) {
      ended.outcome = CheckOutcome::failed;
      ended.why = "it answered with status " + std::to_string(status);
    } else if (code == CURLE_OK || fetch.has_enough) {
      ended.body = fetch.body;
    } else {
      Reason reason = reason_of(code, fetch);
      ended.outcome = reason.outcome;
      ended.why = std::move(reason.why);
    }
    return ended;
  }

  void listen_for(int descriptor, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = descriptor;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) != 0)
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
  }

  static int on_interest(CURL* /*easy*/, curl_socket_t socket, int what, void* user, void* /*of_socket*/) {
    const Impl& self = *static_cast<Impl*>(user);
    if (what == CURL_POLL_REMOVE)
      ::epoll_ctl(self.epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
    else
      self.listen_for(socket, (what != CURL_POLL_OUT ? EPOLLIN : 0U) | (what != CURL_POLL_IN ? EPOLLOUT : 0U));
    return 0;
  }

  static int on_timer(CURLM* /*multi*/, long in_ms, void* user) {
    auto& timer = static_cast<Impl*>(user)->timer_;
    timer.reset();
    if (in_ms >= 0) timer = steady_clock::now() + milliseconds(in_ms);
    return 0;
  }

  const CheckSettings settings_;
  std::string ca_file_;
  const Descriptor epoll_, wake_;
  std::optional<steady_clock::time_point> timer_;  // libcurl's, of all transfers
  Multi multi_;
  std::vector<std::unique_ptr<Fetch>> fetches_;
  std::vector<Fetch*> free_;
  std::vector<Ended> ended_;
  std::unordered_set<std::string> told_;  // "HOST:PORT" whose addresses libcurl has ..
  std::vector<std::string> gone_;         // .. and those it is to forget
};

Fetches::Fetches(const CheckSettings& settings) : impl_(std::make_unique<Impl>(settings)) {}
Fetches::~Fetches() = default;
bool Fetches::has_room() const { return impl_->has_room(); }
void Fetches::start(std::shared_ptr<Target> target, const Host& host, const std::string& addresses,
                    milliseconds budget) {
  impl_->start(std::move(target), host, addresses, budget);
}
std::vector<Fetches::Ended> Fetches::wait(milliseconds most) { return impl_->wait(most); }
void Fetches::wake() const { impl_->wake(); }
void Fetches::keep(const std::unordered_set<std::string>& hosts) { impl_->keep(hosts); }

}  // namespace geo::io::checks
