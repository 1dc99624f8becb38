#include "traffic.h"

#include <fmt/format.h>

#include <algorithm>

namespace geoctl {
namespace {

enum Stream : std::uint64_t { arrivals, addresses, ranks, lengths, dice };

Micros micros(double seconds) { return Micros(static_cast<Micros::rep>(seconds * 1e6)); }

}  // namespace

Zipf::Zipf(std::uint32_t cameras, double exponent) {
  until_.reserve(cameras);
  double sum = 0;
  for (std::uint32_t rank = 1; rank <= cameras; ++rank) until_.push_back(sum += exp(-exponent * ln(rank)));
}

std::uint32_t Zipf::draw(Random& random) const {
  const double at = random.unit() * until_.back();
  const auto found = std::lower_bound(until_.begin(), until_.end(), at);
  return static_cast<std::uint32_t>(std::min<std::ptrdiff_t>(found - until_.begin(), std::ssize(until_) - 1));
}

Traffic::Traffic(const TrafficSettings& settings)
    : settings_(settings),
      arrivals_(settings.seed, Stream::arrivals),
      addresses_(settings.seed, Stream::addresses),
      ranks_(settings.seed, Stream::ranks),
      lengths_(settings.seed, Stream::lengths),
      dice_(settings.seed, Stream::dice) {}

Traffic::Traffic(const TrafficSettings& settings, Clients clients) : Traffic(settings) {
  clients_ = std::move(clients);
  zipf_.emplace(settings.cameras, settings.zipf);
}

bool Traffic::next(Ask& ask) {
  if (asked_ == size()) return false;
  ask = {};
  if (is_file()) {
    const Row& row = rows_[asked_];
    now_ = row.at;
    ask.client_ip = row.client_ip;
    ask.format = row.format;
    ask.camera_number = row.camera;
    if (!partners_.empty()) ask.partner = partners_[row.partner];
  } else {
    ask.client_ip = clients_->draw(addresses_);
  }
  const bool is_log = !cameras_.empty();
  if (!is_log) {
    now_ += micros(arrivals_.exponential(1 / settings_.rate));
    ask.camera_number = zipf_->draw(ranks_);
    camera_ = fmt::to_string(ask.camera_number + 1);
    ask.server = "sim";
    ask.camera = camera_;
  } else {
    ask.server = cameras_[ask.camera_number].server;
    ask.camera = cameras_[ask.camera_number].camera;
  }
  ask.at = now_;
  ask.length = micros(lengths_.exponential(settings_.length_s));
  ask.dice = dice_.next();
  ++asked_;
  return true;
}

}  // namespace geoctl
