#include "io/checks/report.h"

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <cmath>
#include <exception>

#include "geo/base/text.h"

namespace geo::io::checks {
namespace {

using Poco::Dynamic::Var;
using Object = Poco::JSON::Object::Ptr;

constexpr std::size_t kDepthMax = 16;       // of what else stands there
constexpr double kLoadMax = 1e6;            // as in states.toml
constexpr double kSessionsMax = 1LL << 53;  // beyond it JSON's numbers have gaps

struct NoReport {};

// A key that is null or missing says nothing.
std::optional<double> number(const Object& object, const char* key, double max) {
  const Var value = object->get(key);
  if (value.isEmpty()) return std::nullopt;
  if (!value.isNumeric() || value.isBoolean()) throw NoReport();
  const double number = value.convert<double>();
  if (!(number >= 0 && number <= max)) throw NoReport();
  return number;
}

std::optional<bool> boolean(const Object& object, const char* key) {
  const Var value = object->get(key);
  if (value.isEmpty()) return std::nullopt;
  if (!value.isBoolean()) throw NoReport();
  return value.extract<bool>();
}

}  // namespace

std::optional<balance::Report> read_report(std::string_view body, const std::string& node, WallTime now) {
  if (const std::string_view text = trim(body); !text.starts_with('{')) return std::nullopt;
  try {
    Poco::JSON::Parser parser;
    parser.setDepth(kDepthMax);
    parser.setAllowComments(false);
    const Var whole = parser.parse(std::string(body));
    if (whole.type() != typeid(Object)) return std::nullopt;
    const auto& object = whole.extract<Object>();
    const auto sessions = number(object, "sessions", kSessionsMax);
    const auto load = number(object, "load", kLoadMax);
    const auto online = boolean(object, "online");
    if (!sessions && !load && !online) return std::nullopt;
    if (sessions && std::trunc(*sessions) != *sessions) return std::nullopt;
    balance::Report report{.id = node, .seen_at = now, .online = online.value_or(true), .sessions = {}, .load = load};
    if (sessions) report.sessions = static_cast<std::int64_t>(*sessions);
    return report;
  } catch (const NoReport&) {
    return std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace geo::io::checks
