#include "io/checks/fetch.h"

#include <sys/socket.h>

#include <cerrno>
#include <new>
#include <string_view>
#include <utility>

#include "geo/base/ip.h"

namespace geo::io::checks {
namespace {

constexpr long kOk = 200;
// So that a node is asked now and then for what its clients need: a new connection, at its address, with its
// certificate.
constexpr long kConnectionLife_s = 60;
// Debian's bundle takes some 20 ms to read; an authority that came or went is noticed after that.
constexpr long kAuthoritiesLife_s = 600;
// What libcurl takes for "end this transfer now".
constexpr std::size_t kEnough = CURL_WRITEFUNC_ERROR;

}  // namespace

std::optional<Host> host_of(const std::string& url) {
  const std::unique_ptr<CURLU, Freed<curl_url_cleanup>> parsed(::curl_url());
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

Fetch::Fetch(const CheckSettings& settings, const std::string& ca_file) : easy_(::curl_easy_init()) {
  if (easy_ == nullptr) throw std::bad_alloc();
  const auto set = [this](CURLoption option, auto value) { ::curl_easy_setopt(easy(), option, value); };
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_HEADERFUNCTION, &Fetch::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Fetch::on_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &Fetch::on_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
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

Fetch& Fetch::of(CURL* easy) {
  Fetch* fetch = nullptr;
  ::curl_easy_getinfo(easy, CURLINFO_PRIVATE, &fetch);
  return *fetch;
}

void Fetch::begin(std::shared_ptr<Target> target, const std::vector<std::string>& addresses,
                  std::chrono::milliseconds connect_at_most) {
  ::curl_easy_setopt(easy(), CURLOPT_RESOLVE, static_cast<curl_slist*>(nullptr));
  addresses_.reset();
  for (const std::string& each : addresses) {
    curl_slist* const longer = ::curl_slist_append(addresses_.get(), each.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    (void)addresses_.release();
    addresses_.reset(longer);
  }
  ::curl_easy_setopt(easy(), CURLOPT_RESOLVE, addresses_.get());
  ::curl_easy_setopt(easy(), CURLOPT_URL, target->node.url.c_str());
  ::curl_easy_setopt(easy(), CURLOPT_FORBID_REUSE, target->keeps_connection ? 0L : 1L);
  ::curl_easy_setopt(easy(), CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect_at_most.count()));
  target_ = std::move(target);
  body_.clear();
  header_bytes_ = 0;
  has_enough_ = lacks_means_ = false;
}

long Fetch::status() const {
  long status = 0;
  ::curl_easy_getinfo(easy(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::size_t Fetch::on_header(const char* bytes, std::size_t /*one*/, std::size_t size, void* user) {
  Fetch& self = *static_cast<Fetch*>(user);
  self.header_bytes_ += size;
  if (self.header_bytes_ > kHeaderMax) return kEnough;
  const std::string_view line(bytes, size);
  const bool is_whole = line == "\r\n" || line == "\n";
  // Another status decides, whatever its body says, and however long it takes to say it.
  return is_whole && self.status() > kOk ? kEnough : size;
}

std::size_t Fetch::on_body(const char* bytes, std::size_t /*one*/, std::size_t size, void* user) {
  Fetch& self = *static_cast<Fetch*>(user);
  if (self.body_.size() + size > kBodyMax) {
    self.has_enough_ = true;
    self.body_.clear();
    return kEnough;
  }
  self.body_.append(bytes, size);
  return size;
}

curl_socket_t Fetch::on_socket(void* user, curlsocktype /*purpose*/, curl_sockaddr* address) {
  const int socket = ::socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
  if (socket < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
    static_cast<Fetch*>(user)->lacks_means_ = true;
  return socket;
}

Ended Fetch::end(CURLcode code) {
  Ended ended{std::exchange(target_, nullptr), CheckOutcome::passed, {}, {}};
  if (const long is = status(); is > kOk || (code == CURLE_OK && is != kOk)) {
    ended.outcome = CheckOutcome::failed;
    ended.why = "it answered with status " + std::to_string(is);
  } else if (code == CURLE_OK || has_enough_) {
    ended.body = body_;
  } else {
    Reason reason = reason_of(code);
    ended.outcome = reason.outcome;
    ended.why = std::move(reason.why);
  }
  return ended;
}

Fetch::Reason Fetch::reason_of(CURLcode code) const {
  long error = 0;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {"it did not answer in time"};
    case CURLE_COULDNT_CONNECT:
      if (lacks_means_) return {"no socket could be opened here", CheckOutcome::not_made};
      ::curl_easy_getinfo(easy(), CURLINFO_OS_ERRNO, &error);
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

}  // namespace geo::io::checks
