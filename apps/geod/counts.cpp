#include "counts.h"

#include <algorithm>
#include <bit>
#include <initializer_list>

namespace geod {
namespace {

using geo::ErrorCode;

constexpr std::size_t kOctaves = 65;  // by std::bit_width of a duration in ns

// For each octave the number of the bounds below it. None holds two bounds, so one look at the next one settles it.
constexpr std::array<std::uint8_t, kOctaves> kBoundsBelow = [] {
  std::array<std::uint8_t, kOctaves> below{};
  for (std::size_t octave = 1; octave < kOctaves; ++octave)
    for (const std::uint64_t bound : kBoundsNs)
      if (bound < std::uint64_t{1} << (octave - 1)) ++below[octave];
  return below;
}();
static_assert(
    [] {
      for (std::size_t i = 1; i < kBoundsNs.size(); ++i)
        if (kBoundsNs[i] < 2 * kBoundsNs[i - 1]) return false;
      return true;
    }(),
    "each bound is at least twice the one before it, so that no octave holds two");

void add(Histogram<Count>& histogram, std::chrono::nanoseconds duration) {
  histogram.buckets[bucket_of(duration)].add();
  histogram.sum_ns.add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count())));
}

template <class Array>
void sum(const Array& counts, auto& totals) {
  for (std::size_t i = 0; i < counts.size(); ++i) totals[i] += counts[i];
}
void sum(const Histogram<Count>& counts, Histogram<std::uint64_t>& totals) {
  sum(counts.buckets, totals.buckets);
  totals.sum_ns += counts.sum_ns;
}

constexpr std::uint32_t bits_of(std::initializer_list<Code> codes) {
  std::uint32_t bits = 0;
  for (const Code code : codes) bits |= std::uint32_t{1} << static_cast<unsigned>(code);
  return bits;
}
constexpr std::uint32_t bits_of(std::initializer_list<ErrorCode> refusals) {
  std::uint32_t bits = 0;
  for (const ErrorCode refusal : refusals) bits |= bits_of({code_of(refusal)});
  return bits;
}
static_assert(kCodeCount <= 32);

constexpr std::uint32_t kAnywhere = bits_of({Code::ok}) | bits_of({ErrorCode::bad_request, ErrorCode::no_such_path,
                                                                   ErrorCode::method_not_allowed, ErrorCode::internal});
constexpr std::uint32_t kUpstreams = bits_of({ErrorCode::upstream_unavailable, ErrorCode::deadline_exceeded});
constexpr std::uint32_t kTokens =
    bits_of({ErrorCode::missing_token, ErrorCode::token_unknown, ErrorCode::token_expired, ErrorCode::forbidden});
// With a format; whoever has none got no further than /stream.
constexpr std::uint32_t kRedirect =
    (kAnywhere & ~bits_of({ErrorCode::no_such_path})) | kUpstreams | kTokens | bits_of({Code::redirect}) |
    bits_of({ErrorCode::payment_required, ErrorCode::format_not_in_tariff, ErrorCode::limit_exceeded,
             ErrorCode::not_found, ErrorCode::offline, ErrorCode::format_unavailable, ErrorCode::no_node,
             ErrorCode::rate_limited});
constexpr std::uint32_t kRedirectNoFormat = kAnywhere | bits_of({ErrorCode::missing_token, ErrorCode::rate_limited});
constexpr std::uint32_t kResolver =
    kAnywhere | kUpstreams |
    bits_of({ErrorCode::reserved_address, ErrorCode::unknown_address, ErrorCode::rate_limited});
constexpr std::uint32_t kAuth = kAnywhere | kUpstreams | kTokens;
constexpr std::uint32_t kVerify = kAnywhere | bits_of({ErrorCode::forbidden});

std::uint32_t bits_of(std::string_view listener, bool has_format) {
  if (listener == "redirect") return has_format ? kRedirect : kRedirectNoFormat;
  if (has_format) return 0;
  if (listener == "resolver") return kResolver;
  if (listener == "auth") return kAuth;
  return listener == "verify" ? kVerify : 0;
}

}  // namespace

std::size_t bucket_of(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, duration.count()));
  const std::size_t below = kBoundsBelow[static_cast<std::size_t>(std::bit_width(ns))];
  return below + (below < kBoundsNs.size() && ns > kBoundsNs[below] ? 1 : 0);
}

void Counts::add(const Exchange& exchange, geo::MonotonicTime now) {
  const Entry& entry = exchange.entry;
  const std::size_t format = entry.format ? static_cast<std::size_t>(*entry.format) : kNoFormat;
  requests[format][static_cast<std::size_t>(entry.code)].add();
  geod::add(durations, now - exchange.in.started);
  if (entry.code == Code::redirect) chosen[static_cast<std::size_t>(exchange.decision.choice.why)].add();
  if (!exchange.step_times) return;
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (exchange.step_times->ran[i]) geod::add(steps[i], exchange.step_times->took[i]);
}

void Counts::add_to(Totals& totals) const {
  for (std::size_t i = 0; i < requests.size(); ++i) sum(requests[i], totals.requests[i]);
  sum(durations, totals.durations);
  for (std::size_t i = 0; i < steps.size(); ++i) sum(steps[i], totals.steps[i]);
  sum(chosen, totals.chosen);
}

ListenerCounts::ListenerCounts(std::string listener, std::size_t loops)
    : listener_(std::move(listener)), size_(loops), loops_(new Counts[loops]) {}

void ListenerCounts::add_to(Totals& totals) const {
  for (std::size_t i = 0; i < size_; ++i) loops_[i].add_to(totals);
}

bool may_occur(std::string_view listener, std::size_t format, Code code) {
  return (bits_of(listener, format != Totals::kNoFormat) >> static_cast<unsigned>(code) & 1U) != 0;
}

}  // namespace geod
