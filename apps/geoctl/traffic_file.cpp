// Traffic from a file: geod's access log, or addresses.
#include <Poco/JSON/Parser.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "geo/base/error.h"
#include "geo/base/text.h"
#include "lines.h"
#include "traffic.h"

namespace geoctl {
namespace {

using geo::deny;
using geo::ErrorCode;

constexpr std::size_t kLineMax = 16384;

class File {
 public:
  explicit File(const std::filesystem::path& file) : fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A string among an object's members; empty: there is none.
std::string text_of(const Poco::JSON::Object& object, const std::string& name) {
  const Poco::Dynamic::Var value = object.get(name);
  return value.isString() ? value.extract<std::string>() : std::string();
}

}  // namespace

class Traffic::Reader {
 public:
  Reader(const std::filesystem::path& file, Traffic& traffic) : file_(file), traffic_(traffic) {}

  geo::Result<void> read() {
    const File file(file_);
    if (file.fd() < 0) return bad(fmt::format("{}: {}", file_.string(), std::strerror(errno)));
    Lines lines(
        file.fd(), [] {}, kLineMax);
    std::optional<bool> is_log;
    while (const auto line = lines.next()) {
      ++line_;
      const std::string_view text = geo::trim(*line);
      if (text.empty()) continue;
      if (!is_log) is_log = text.starts_with('{');
      if (const auto taken = *is_log ? take_entry(text) : take_address(text); !taken) return taken;
      if (traffic_.rows_.size() > kRequestsOfFileMax)
        return bad(fmt::format("{}: more than {} requests", file_.string(), kRequestsOfFileMax));
    }
    if (!lines.error().empty()) return bad(fmt::format("{}: {}", file_.string(), lines.error()));
    if (traffic_.rows_.empty())
      return bad(fmt::format("{}: no {} in it", file_.string(), is_log.value_or(false) ? "redirects" : "addresses"));
    if (*is_log) put_in_order();
    if (*is_log ? traffic_.rows_.back().at > kSpanMax : is_too_long(traffic_.rows_.size(), traffic_.settings_.rate))
      return bad(fmt::format("{}: spans more than {} days", file_.string(), kSpanMax.count()));
    return {};
  }

 private:
  static tl::unexpected<geo::Denial> bad(std::string detail) {
    return deny(ErrorCode::bad_request, "traffic: " + std::move(detail));
  }
  tl::unexpected<geo::Denial> bad_line(std::string_view why) const {
    return bad(fmt::format("{}:{}: {}", file_.string(), line_, why));
  }

  geo::Result<void> take_address(std::string_view text) {
    const auto ip = geo::Ip::parse(text);
    constexpr std::size_t kToldMax = 64;
    if (!ip)
      return bad_line(
          fmt::format("\"{}{}\" is not an IP address", text.substr(0, kToldMax), text.size() > kToldMax ? ".." : ""));
    Row row;
    row.client_ip = *ip;
    traffic_.rows_.push_back(row);
    return {};
  }

  // What other listeners answered, what was refused for other reasons than nodes, and HEAD put nothing under way.
  geo::Result<void> take_entry(std::string_view text) {
    Poco::JSON::Object::Ptr object;
    try {
      constexpr std::size_t kDepthMax = 8;
      Poco::JSON::Parser parser;
      parser.setDepth(kDepthMax);
      object = parser.parse(std::string(text)).extract<Poco::JSON::Object::Ptr>();
    } catch (const Poco::Exception&) {
      return bad_line("not a JSON object");
    }
    const std::string code = text_of(*object, "code");
    if (code != "redirect" && code != name_of(ErrorCode::no_node)) return {};
    if (text_of(*object, "method") == "HEAD") return {};
    const std::string time = text_of(*object, "ts"), address = text_of(*object, "client_ip");
    const std::string server = text_of(*object, "server"), camera = text_of(*object, "camera");
    const auto at = geo::parse_time(time);
    if (!at) return bad_line(fmt::format("ts: \"{}\" is no time", time));
    const auto ip = geo::Ip::parse(address);
    if (!ip) return bad_line(fmt::format("client_ip: \"{}\" is not an IP address", address));
    for (const auto& [name, id] : {std::pair("server", &server), std::pair("camera", &camera)})
      if (!geo::is_id(*id)) return bad_line(fmt::format("{}: expected {}", name, geo::kIdForm));
    Row row;
    row.at = at->time_since_epoch();
    row.client_ip = *ip;
    row.format = geo::balance::format_of(text_of(*object, "format"));
    row.camera = camera_number(server, camera);
    row.partner = partner_number(text_of(*object, "partner"));
    traffic_.rows_.push_back(row);
    return {};
  }

  std::uint32_t camera_number(const std::string& server, const std::string& camera) {
    const auto [at, is_new] =
        cameras_.try_emplace(server + '\n' + camera, static_cast<std::uint32_t>(traffic_.cameras_.size()));
    if (is_new) traffic_.cameras_.push_back({server, camera});
    return at->second;
  }
  std::uint32_t partner_number(const std::string& partner) {
    const auto [at, is_new] =
        known_partners_.try_emplace(partner, static_cast<std::uint32_t>(traffic_.partners_.size()));
    if (is_new) traffic_.partners_.push_back(partner);
    return at->second;
  }

  // Lines are written when they are answered; those that waited stand after others that came later.
  void put_in_order() {
    std::vector<Row>& rows = traffic_.rows_;
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.at < b.at; });
    const Micros first = rows.front().at;
    for (Row& row : rows) row.at -= first;
  }

  const std::filesystem::path& file_;
  Traffic& traffic_;
  std::uint64_t line_ = 0;
  std::unordered_map<std::string, std::uint32_t> cameras_, known_partners_;
};

geo::Result<Traffic> Traffic::read(const std::filesystem::path& file, const TrafficSettings& settings) {
  Traffic traffic(settings);
  if (auto read = Reader(file, traffic).read(); !read) return tl::unexpected(std::move(read.error()));
  if (traffic.cameras_.empty()) traffic.zipf_.emplace(settings.cameras, settings.zipf);
  return traffic;
}

}  // namespace geoctl
