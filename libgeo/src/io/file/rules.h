// What a text in a data or config file must look like: one rule per kind of value, with the words that a fault uses.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace geo::io {

struct TextRule {
  std::string expected;  // completes "expected ..": `a host name`
  // `why` may be given more than "it is not that".
  std::function<bool(std::string_view text, std::string& why)> accepts;
  bool secret = false;  // the value never appears in a message
};

namespace rules {

const TextRule& id();
const TextRule& free_text();  // no control characters, at most 256 bytes
const TextRule& path();       // of a file: 1-4096 bytes without control characters
const TextRule& host();       // DNS name, IPv4, [IPv6]; no scheme, no port
const TextRule& url();        // http:// or https://
const TextRule& country();
const TextRule& forbid();
const TextRule& cidr();
const TextRule& sha256();
const TextRule& format();
const TextRule& policy();  // of a pattern or partner, may be empty

const TextRule& id_or_empty();
const TextRule& country_or_empty();
const TextRule& check_or_empty();  // of a node: a URL, perhaps with a password in it

TextRule one_of(std::vector<std::string> names);
TextRule or_empty(TextRule rule);

}  // namespace rules

// What is wrong with a text, for a fault; nothing: the rule accepts it.
std::optional<std::string> problem_of(std::string_view text, const TextRule& rule);
// "an integer of 0 or more", "a number from 0 to 1"
std::string integer_form(std::int64_t min, std::int64_t max);
std::string number_form(double min, double max);

// A host name by its form: labels of letters, digits, '-' and '_'; a last label of digits alone must be an IPv4
// address.
bool is_host(std::string_view text);

// In quotes, control characters escaped, cut where it is long: safe in a message of one line.
std::string in_quotes(std::string_view text);
// As it stands where it is a bare TOML key, else in_quotes().
std::string shown_key(std::string_view key);

// Must a key of a row be there?
enum class Need { optional, required };

// Puts what was read in its place; what was not leaves the default there.
template <class From, class To>
void assign(std::optional<From> from, To& to) {
  if (from) to = std::move(*from);
}

}  // namespace geo::io
