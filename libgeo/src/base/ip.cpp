#include "geo/base/ip.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>

#include "geo/base/text.h"

namespace geo {
namespace {

Ip with_bits(const Ip& base, unsigned keep, bool ones) {
  std::array<std::uint8_t, 16> bytes = base.bytes();
  for (unsigned bit = keep; bit < 128; ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
    if (ones)
      bytes[bit / 8] |= mask;
    else
      bytes[bit / 8] &= static_cast<std::uint8_t>(~mask);
  }
  return Ip::v6(bytes.data());
}

// The address after `ip`; nothing after the last one.
std::optional<Ip> next(const Ip& ip) {
  std::array<std::uint8_t, 16> bytes = ip.bytes();
  for (std::size_t i = bytes.size(); i-- > 0;)
    if (++bytes[i] != 0) return Ip::v6(bytes.data());
  return std::nullopt;
}

unsigned bits_of(const Cidr& cidr) { return cidr.prefix + (cidr.base.is_v4() ? 96U : 0U); }

}  // namespace

Ip Ip::v4(const std::uint8_t* bytes) {
  Ip ip;
  ip.bytes_[10] = ip.bytes_[11] = 0xff;
  std::copy(bytes, bytes + 4, ip.bytes_.begin() + 12);
  return ip;
}

Ip Ip::v6(const std::uint8_t* bytes) {
  Ip ip;
  std::copy(bytes, bytes + 16, ip.bytes_.begin());
  return ip;
}

std::optional<Ip> Ip::parse(std::string_view text) {
  char zero_ended[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof zero_ended || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  *std::copy(text.begin(), text.end(), zero_ended) = '\0';
  std::uint8_t bytes[16];
  // inet_pton takes exactly the strict forms: four decimal parts without leading zeros, or RFC 4291.
  if (text.find(':') == std::string_view::npos)
    return inet_pton(AF_INET, zero_ended, bytes) == 1 ? std::optional(v4(bytes)) : std::nullopt;
  if (inet_pton(AF_INET6, zero_ended, bytes) != 1) return std::nullopt;
  return v6(bytes);
}

std::size_t Ip::write(char* out) const {
  char* const begin = out;
  const auto decimal = [&](unsigned value) { out = std::to_chars(out, out + 3, value).ptr; };
  if (is_v4()) {
    for (int i = 12; i < 16; ++i) {
      if (i > 12) *out++ = '.';
      decimal(bytes_[static_cast<std::size_t>(i)]);
    }
    return static_cast<std::size_t>(out - begin);
  }
  std::array<unsigned, 8> parts{};
  for (std::size_t i = 0; i < 8; ++i) parts[i] = static_cast<unsigned>(bytes_[2 * i] << 8 | bytes_[2 * i + 1]);
  // RFC 5952, 4.2: "::" stands for the longest run of two or more zero parts, the first of equals
  std::size_t run_at = 8, run_size = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t j = i;
    while (j < 8 && parts[j] == 0) ++j;
    if (j - i > run_size) run_at = i, run_size = j - i;
    i = j == i ? i + 1 : j;
  }
  for (std::size_t i = 0; i < 8;) {
    if (i == run_at) {
      *out++ = ':';
      *out++ = ':';
      i += run_size;
      continue;
    }
    if (i > 0 && i != run_at + run_size) *out++ = ':';
    out = std::to_chars(out, out + 4, parts[i], 16).ptr;
    ++i;
  }
  return static_cast<std::size_t>(out - begin);
}

std::string Ip::to_string() const {
  char text[kTextMax];
  return std::string(text, write(text));
}

Ip Ip::masked() const { return with_bits(*this, is_v4() ? 96 + 24 : 48, false); }

std::string host_as_sent(std::string_view host) {
  const bool in_brackets = host.starts_with('[') && host.ends_with(']') && host.find(':') != std::string_view::npos;
  const std::optional<Ip> ip = in_brackets ? Ip::parse(host.substr(1, host.size() - 2)) : std::nullopt;
  if (!ip) return lower(host);
  // URLs know no dotted quads within brackets (WHATWG URL, "IPv6 serializer").
  if (ip->is_v4()) return fmt::format("[::ffff:{:x}:{:x}]", ip->v4_bits() >> 16, ip->v4_bits() & 0xFFFFU);
  return "[" + ip->to_string() + "]";
}

std::optional<Cidr> Cidr::parse(std::string_view text, std::string* why) {
  const auto refuse = [&](std::string reason) {
    if (why) *why = std::move(reason);
    return std::nullopt;
  };
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const std::optional<Ip> ip = Ip::parse(address);
  if (!ip) return refuse("its address is no IP address");
  const unsigned width = ip->is_v4() ? 32 : 128;
  Cidr cidr{*ip, static_cast<std::uint8_t>(width)};
  if (ip->is_v4() && address.find(':') != std::string_view::npos) return refuse("write an IPv4 network in IPv4 form");
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const std::optional<std::uint64_t> prefix = parse_digits(digits);
    if (!prefix || *prefix > width || (digits.size() > 1 && digits.front() == '0'))
      return refuse("the prefix length is 0.." + std::to_string(width));
    cidr.prefix = static_cast<std::uint8_t>(*prefix);
  }
  const Ip base = with_bits(*ip, bits_of(cidr), false);
  if (base != *ip) return refuse("host bits are set: the network is " + Cidr{base, cidr.prefix}.to_string());
  return cidr;
}

bool Cidr::contains(const Ip& ip) const {
  return ip.is_v4() == base.is_v4() && with_bits(ip, bits_of(*this), false) == base;
}

Ip Cidr::last() const { return with_bits(base, bits_of(*this), true); }

std::string Cidr::to_string() const { return base.to_string() + "/" + std::to_string(prefix); }

PrefixMap::PrefixMap(std::vector<std::pair<Cidr, std::uint32_t>> networks) {
  constexpr std::uint32_t kNothing = UINT32_MAX;
  const auto order = [](const auto& a, const auto& b) {
    return a.first.base != b.first.base ? a.first.base < b.first.base : a.first.prefix < b.first.prefix;
  };
  std::stable_sort(networks.begin(), networks.end(), order);
  for (const bool v4 : {true, false}) {
    std::vector<Range>& ranges = v4 ? v4_ : v6_;
    const auto start = [&](const Ip& at, std::uint32_t value) {
      if (!ranges.empty() && ranges.back().first == at)
        ranges.back().value = value;
      else
        ranges.push_back({at, value});
    };
    std::vector<std::pair<Ip, std::uint32_t>> open;  // the networks around the current address: last address, value
    const auto close_before = [&](const Ip* at) {
      while (!open.empty() && (at == nullptr || open.back().first < *at)) {
        std::optional<Ip> after = next(open.back().first);
        open.pop_back();
        // IPv4 is no part of an IPv6 network around it: what ends at ::ffff:0:0/96 goes on behind it
        if (!v4 && after && after->is_v4()) after = next(Cidr{*after, 0}.last());
        // an outer network that ends here too takes this back at once
        if (after && after->is_v4() == v4) start(*after, open.empty() ? kNothing : open.back().second);
      }
    };
    for (const auto& [cidr, value] : networks) {
      if (cidr.base.is_v4() != v4) continue;
      close_before(&cidr.base);
      start(cidr.base, value);
      open.emplace_back(cidr.last(), value);
    }
    close_before(nullptr);
    ranges.shrink_to_fit();
  }
}

std::optional<std::uint32_t> PrefixMap::find(const Ip& ip) const {
  const std::vector<Range>& ranges = ip.is_v4() ? v4_ : v6_;
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), ip, [](const Ip& a, const Range& r) { return a < r.first; });
  if (after == ranges.begin() || std::prev(after)->value == UINT32_MAX) return std::nullopt;
  return std::prev(after)->value;
}

}  // namespace geo
