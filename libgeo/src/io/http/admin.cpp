#include <curl/curl.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "geo/io/http_admin.h"

namespace geo::io {
namespace {

constexpr std::size_t kBodyMax = 64 << 20;  // /metrics and /status.json of very many nodes
constexpr std::string_view kUnix = "unix:";

struct End {
  void operator()(CURL* easy) const { ::curl_easy_cleanup(easy); }
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

struct Body {
  std::string text;
  bool too_long = false;
  static std::size_t add(const char* bytes, std::size_t /*one*/, std::size_t size, void* user) {
    Body& body = *static_cast<Body*>(user);
    body.too_long = body.text.size() + size > kBodyMax;
    if (body.too_long) return 0;
    body.text.append(bytes, size);
    return size;
  }
};

// Whoever listens on all addresses listens on the loopback one.
std::string reachable(std::string address) {
  for (const auto& [all, loopback] : {std::pair("0.0.0.0:", "127.0.0.1:"), std::pair("[::]:", "[::1]:")})
    if (address.starts_with(all)) return loopback + address.substr(std::strlen(all));
  return address;
}

std::string reason_of(CURLcode code, CURL* easy, const Body& body) {
  long error = 0;
  ::curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return "it did not answer in time";
    case CURLE_COULDNT_CONNECT:
      if (error == ECONNREFUSED) return "it refused the connection";
      return error == 0 ? "it cannot be reached" : std::strerror(static_cast<int>(error));
    case CURLE_WRITE_ERROR:
      return body.too_long ? "its answer is too long" : "its answer cannot be kept";
    case CURLE_GOT_NOTHING:
      return "it closed the connection without an answer";
    default:
      return ::curl_easy_strerror(code);
  }
}

}  // namespace

tl::expected<AdminAnswer, std::string> ask_admin(const AdminRequest& request, std::chrono::milliseconds budget) {
  const std::unique_ptr<CURL, End> easy(::curl_easy_init());
  if (easy == nullptr) return tl::unexpected<std::string>("libcurl cannot be started");
  Body body;
  const bool is_unix = request.address.starts_with(kUnix);
  const std::string path = is_unix ? request.address.substr(kUnix.size()) : std::string();
  const std::string url = "http://" + (is_unix ? "localhost" : reachable(request.address)) + request.target;
  std::unique_ptr<curl_slist, End> headers;
  const auto add_header = [&](const std::string& line) {
    if (curl_slist* const longer = ::curl_slist_append(headers.get(), line.c_str())) {
      (void)headers.release();
      headers.reset(longer);
    }
  };
  for (const auto& [name, value] : request.headers) add_header(name + ": " + value);

  const auto set = [&](CURLoption option, auto value) { ::curl_easy_setopt(easy.get(), option, value); };
  set(CURLOPT_URL, url.c_str());
  if (is_unix) set(CURLOPT_UNIX_SOCKET_PATH, path.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(budget.count()));
  set(CURLOPT_WRITEFUNCTION, &Body::add);
  set(CURLOPT_WRITEDATA, &body);
  if (request.post) {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE, 0L);
    add_header("Content-Type:");
  }
  set(CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = ::curl_easy_perform(easy.get());
  if (code != CURLE_OK) return tl::unexpected(reason_of(code, easy.get(), body));
  long status = 0;
  ::curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  return AdminAnswer{static_cast<int>(status), std::move(body.text)};
}

}  // namespace geo::io
