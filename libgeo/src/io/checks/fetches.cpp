#include "io/checks/fetches.h"

#include <curl/curl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace geo::io::checks {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// With the end of each transfer libcurl looks through all connections it keeps. More of them are kept apart.
constexpr std::size_t kConnectionsTogether = 512;

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

// What waits on descriptors: libcurl tells which by its socket interface, so that a turn costs what happened in it and
// not what is open.
class Poll {
 public:
  struct Event {
    std::size_t owner;
    int descriptor;
    int mask;  // CURL_CSELECT_
  };
  static constexpr std::size_t kEventsMax = 256;

  void listen(std::size_t owner, int descriptor, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = static_cast<std::uint64_t>(owner) << 32 | static_cast<std::uint32_t>(descriptor);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) != 0)
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event);
  }
  void forget(int descriptor) const { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr); }

  std::vector<Event> wait(milliseconds most) const {
    std::array<epoll_event, kEventsMax> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), static_cast<int>(most.count()));
    std::vector<Event> out;
    for (int i = 0; i < count; ++i) {
      const unsigned what = events[i].events;
      out.push_back({events[i].data.u64 >> 32, static_cast<int>(events[i].data.u64 & UINT32_MAX),
                     ((what & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) | ((what & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                         ((what & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0)});
    }
    return out;
  }

 private:
  const Descriptor epoll_{::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"};
};

// One of libcurl's multi handles, with the connections it keeps and the names it knows.
class Part {
 public:
  Part(std::size_t index, std::size_t connections_max, const Poll& poll) : index_(index), poll_(poll) {
    if (multi_ == nullptr) throw std::bad_alloc();
    const auto set = [this](CURLMoption option, auto value) { ::curl_multi_setopt(multi_.get(), option, value); };
    set(CURLMOPT_SOCKETFUNCTION, &Part::on_interest);
    set(CURLMOPT_SOCKETDATA, this);
    set(CURLMOPT_TIMERFUNCTION, &Part::on_timer);
    set(CURLMOPT_TIMERDATA, this);
    set(CURLMOPT_MAXCONNECTS, static_cast<long>(connections_max));
  }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  CURLM* multi() const { return multi_.get(); }
  std::optional<steady_clock::time_point> timer() const { return timer_; }

  void act(int descriptor, int mask) const {
    int running = 0;
    ::curl_multi_socket_action(multi_.get(), descriptor, mask, &running);
  }
  void act_on_time(steady_clock::time_point now) {
    if (!timer_ || *timer_ > now) return;
    timer_.reset();
    act(CURL_SOCKET_TIMEOUT, 0);
  }

  // What it has to be told of names with the next transfer.
  std::vector<std::string> news(const Host& host, const std::string& addresses) {
    std::vector<std::string> out = std::exchange(gone_, {});
    if (!host.is_name) return out;
    told_.insert(host.at());
    out.push_back(host.at() + ':' + addresses);
    return out;
  }
  void keep(const std::unordered_set<std::string>& hosts) {
    std::erase_if(told_, [&](const std::string& each) {
      if (hosts.contains(each)) return false;
      gone_.push_back('-' + each);
      return true;
    });
  }

 private:
  static int on_interest(CURL* /*easy*/, curl_socket_t socket, int what, void* user, void* /*of_socket*/) {
    const Part& self = *static_cast<Part*>(user);
    if (what == CURL_POLL_REMOVE)
      self.poll_.forget(socket);
    else
      self.poll_.listen(self.index_, socket,
                        (what != CURL_POLL_OUT ? EPOLLIN : 0U) | (what != CURL_POLL_IN ? EPOLLOUT : 0U));
    return 0;
  }
  static int on_timer(CURLM* /*multi*/, long in_ms, void* user) {
    auto& timer = static_cast<Part*>(user)->timer_;
    timer.reset();
    if (in_ms >= 0) timer = steady_clock::now() + milliseconds(in_ms);
    return 0;
  }

  const std::size_t index_;
  const Poll& poll_;
  std::optional<steady_clock::time_point> timer_;
  std::unordered_set<std::string> told_;  // "HOST:PORT" whose addresses it has ..
  std::vector<std::string> gone_;         // .. and those that it is to forget
  const Multi multi_{::curl_multi_init()};
};

// The time that nodes are charged with: what was waited for them, and a quarter of what this thread was kept from it,
// busy with others or not let run. So a machine under load is late with what it tells, and does not take its own
// slowness for theirs: nor what it was told while it slept.
class Patience {
 public:
  nanoseconds now() const { return charged_; }
  template <class F>
  auto wait(milliseconds most, F wait) {
    const auto before = steady_clock::now();
    auto result = wait(most);
    const auto after = steady_clock::now();
    const auto waited = std::min<nanoseconds>(after - before, most);
    charged_ += waited + std::min<nanoseconds>(after - last_ - waited, kKeptMax) / 4;
    last_ = after;
    return result;
  }

 private:
  static constexpr milliseconds kKeptMax{100};
  nanoseconds charged_{0};
  steady_clock::time_point last_ = steady_clock::now();
};

void start_libcurl() {
  static const CURLcode started = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) throw std::runtime_error("libcurl cannot be started");
}

std::string ca_file_of(const CheckSettings& settings) {
  if (!settings.ca_file.empty()) return settings.ca_file;
  const char* const file = std::getenv("SSL_CERT_FILE");
  return file != nullptr ? file : "";
}

}  // namespace

class Fetches::Impl {
 public:
  explicit Impl(const CheckSettings& settings) : settings_(settings), ca_file_(ca_file_of(settings)) {
    start_libcurl();
    const std::size_t most = std::max<std::size_t>(settings.connections_max, 1);
    const std::size_t parts = (most + kConnectionsTogether - 1) / kConnectionsTogether;
    for (std::size_t i = 0; i < parts; ++i) parts_.emplace_back(i, (most + parts - 1) / parts, poll_);
    poll_.listen(kWake, wake_.get(), EPOLLIN);
  }
  ~Impl() {
    for (const auto& fetch : fetches_)
      if (fetch->is_under_way()) ::curl_multi_remove_handle(fetch->multi, fetch->easy());
  }

  bool has_room() const { return !free_.empty() || fetches_.size() < settings_.most_at_once; }

  void start(std::shared_ptr<Target> target, const Host& host, const std::string& addresses, milliseconds budget) {
    if (free_.empty()) free_.push_back(fetches_.emplace_back(std::make_unique<Fetch>(settings_, ca_file_)).get());
    Fetch& fetch = *free_.back();
    free_.pop_back();
    Part& part = parts_[std::hash<std::string>{}(host.at()) % parts_.size()];
    // libcurl gives each of several addresses half of what is left; without several there is nothing to divide.
    const bool is_one = addresses.find(',') == std::string::npos;
    fetch.begin(std::move(target), part.news(host, addresses), is_one ? kNoLimit : budget * 5 / 4);
    fetch.deadline = patience_.now() + budget;
    fetch.multi = part.multi();
    if (::curl_multi_add_handle(fetch.multi, fetch.easy()) != CURLM_OK) end(fetch, CURLE_FAILED_INIT);
  }

  std::vector<Ended> wait(milliseconds most) {
    const auto events =
        patience_.wait(std::clamp(pause(most), 0ms, kPauseMax), [this](milliseconds time) { return poll_.wait(time); });
    for (const Poll::Event& event : events) {
      if (event.owner != kWake) {
        parts_[event.owner].act(event.descriptor, event.mask);
        continue;
      }
      eventfd_t ignored;
      ::eventfd_read(wake_.get(), &ignored);
    }
    for (Part& part : parts_) {
      part.act_on_time(steady_clock::now());
      collect(part);
    }
    if (events.size() < Poll::kEventsMax) end_late();  // else there may be an answer that was not read yet
    return std::exchange(ended_, {});
  }

  void wake() const { ::eventfd_write(wake_.get(), 1); }

  void keep(const std::unordered_set<std::string>& hosts) {
    for (Part& part : parts_) part.keep(hosts);
  }

 private:
  static constexpr std::size_t kWake = UINT32_MAX;  // no part's index
  static constexpr milliseconds kNoLimit{0};
  static constexpr milliseconds kPauseMax{60'000};

  milliseconds pause(milliseconds most) const {
    if (!ended_.empty()) return 0ms;
    const auto now = steady_clock::now();
    nanoseconds pause = most;
    for (const Part& part : parts_)
      if (part.timer()) pause = std::min<nanoseconds>(pause, *part.timer() - now);
    for (const auto& fetch : fetches_)
      if (fetch->is_under_way()) pause = std::min(pause, fetch->deadline - patience_.now());
    return std::chrono::ceil<milliseconds>(pause);
  }

  void collect(const Part& part) {
    int left = 0;
    while (const CURLMsg* const message = ::curl_multi_info_read(part.multi(), &left))
      if (message->msg == CURLMSG_DONE) end(Fetch::of(message->easy_handle), message->data.result);
  }

  void end_late() {
    for (const auto& fetch : fetches_)
      if (fetch->is_under_way() && fetch->deadline <= patience_.now()) end(*fetch, CURLE_OPERATION_TIMEDOUT);
  }

  void end(Fetch& fetch, CURLcode code) {
    ended_.push_back(fetch.end(code));
    ::curl_multi_remove_handle(fetch.multi, fetch.easy());
    free_.push_back(&fetch);
  }

  const CheckSettings settings_;
  const std::string ca_file_;
  const Poll poll_;
  const Descriptor wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd"};
  std::deque<Part> parts_;
  std::vector<std::unique_ptr<Fetch>> fetches_;  // at most most_at_once
  std::vector<Fetch*> free_;
  std::vector<Ended> ended_;
  Patience patience_;
};

Fetches::Fetches(const CheckSettings& settings) : impl_(std::make_unique<Impl>(settings)) {}
Fetches::~Fetches() = default;
bool Fetches::has_room() const { return impl_->has_room(); }
void Fetches::start(std::shared_ptr<Target> target, const Host& host, const std::string& addresses,
                    milliseconds budget) {
  impl_->start(std::move(target), host, addresses, budget);
}
std::vector<Ended> Fetches::wait(milliseconds most) { return impl_->wait(most); }
void Fetches::wake() const { impl_->wake(); }
void Fetches::keep(const std::unordered_set<std::string>& hosts) { impl_->keep(hosts); }

}  // namespace geo::io::checks
