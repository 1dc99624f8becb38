// What is asked and when: drawn, or as a file has it. The same seed gives the same requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "clients.h"
#include "geo/balance.h"
#include "geo/base/ip.h"
#include "geo/base/result.h"
#include "random.h"

namespace geoctl {

using Micros = std::chrono::microseconds;

struct TrafficSettings {
  std::uint64_t seed = 1;
  std::uint64_t requests = 100'000;
  double rate = 100;  // a second
  std::uint32_t cameras = 10'000;
  double zipf = 1.1;     // the camera of rank k is asked for k^-zipf times as often as the first
  double length_s = 60;  // mean of a stream's
};
inline constexpr std::uint64_t kRequestsMax = 100'000'000, kRequestsOfFileMax = 10'000'000;
inline constexpr std::uint32_t kCamerasMax = 10'000'000;
// From the first request to the last.
inline constexpr std::chrono::days kSpanMax{31};
inline bool is_too_long(std::uint64_t requests, double rate) {
  return static_cast<double>(requests) / rate > std::chrono::duration<double>(kSpanMax).count();
}

// One request. Views are good until the next one.
struct Ask {
  Micros at{};  // since the start
  geo::Ip client_ip;
  std::string_view server, camera;
  std::uint32_t camera_number = 0;  // the same camera, the same number
  std::string_view partner;         // empty: the default one
  std::optional<geo::balance::Format> format;
  Micros length{};         // of the stream, if somebody serves it
  std::uint64_t dice = 0;  // for the policies that roll
};

// Cameras by rank, 0 the most popular one.
class Zipf {
 public:
  Zipf(std::uint32_t cameras, double exponent);
  std::uint32_t draw(Random& random) const;

 private:
  std::vector<double> until_;  // by rank: the weights of all before it, and its own
};

class Traffic {
 public:
  // All drawn: Poisson arrivals, cameras by Zipf, exponential lengths.
  Traffic(const TrafficSettings& settings, Clients clients);
  // An access log of geod's: when, who, which camera, for which partner and format, of each request that was redirected
  // or found no node. Or one address a line, which is asked once, in that order, the rest drawn.
  // Errors: bad_request, as FILE:LINE where a line is wrong.
  static geo::Result<Traffic> read(const std::filesystem::path& file, const TrafficSettings& settings);

  // False: that was all.
  bool next(Ask& ask);
  std::uint64_t size() const { return is_file() ? rows_.size() : settings_.requests; }
  const TrafficSettings& settings() const { return settings_; }

 private:
  struct Row {
    Micros at{};
    geo::Ip client_ip;
    std::uint32_t camera = 0, partner = 0;
    std::optional<geo::balance::Format> format;
  };
  struct Camera {
    std::string server, camera;
  };
  class Reader;

  explicit Traffic(const TrafficSettings& settings);
  bool is_file() const { return !clients_; }

  TrafficSettings settings_;
  Random arrivals_, addresses_, ranks_, lengths_, dice_;
  std::optional<Clients> clients_;
  std::optional<Zipf> zipf_;
  std::vector<Row> rows_;              // of a file
  std::vector<Camera> cameras_;        // of a log; empty: they are drawn
  std::vector<std::string> partners_;  // likewise
  std::uint64_t asked_ = 0;
  Micros now_{};
  std::string camera_;
};

}  // namespace geoctl
