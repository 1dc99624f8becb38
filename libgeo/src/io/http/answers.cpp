#include "io/http/answers.h"

#include <Poco/Dynamic/Var.h>
#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/JSONException.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/ParseHandler.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "geo/base/text.h"

namespace geo::io::http {
namespace {

using Poco::Dynamic::Var;
using Object = Poco::JSON::Object::Ptr;
using Array = Poco::JSON::Array::Ptr;

constexpr std::size_t kDepthMax = 6;  // of what is nested; the answers need 4
constexpr std::uint64_t kYear = 365 * 86400;
constexpr std::size_t kTextMax = 256;  // bytes of a name; the longest place names have under 200

tl::unexpected<std::string> wrong(std::string_view why) { return tl::unexpected<std::string>(std::string(why)); }

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t size = utf8_at(text, i).size;
    if (size == 0) return false;
    i += size;
  }
  return true;
}

// A member that is there twice may mean either: another reader of the same answer would take the other one.
class EachOnce final : public Poco::JSON::ParseHandler {
 public:
  void startObject() override {
    ParseHandler::startObject();
    names_.emplace_back();
  }
  void endObject() override {
    ParseHandler::endObject();
    names_.pop_back();
  }
  void key(const std::string& name) override {
    if (!names_.back().insert(name).second) throw Poco::JSON::JSONException("a member twice");
    ParseHandler::key(name);
  }

 private:
  std::vector<std::set<std::string>> names_;  // of the objects that are open
};

Read<Var> parse(std::string_view body) {
  if (!is_utf8(body)) return wrong("its answer is no UTF-8");
  try {
    Poco::JSON::Parser parser(new EachOnce);
    parser.setDepth(kDepthMax);
    parser.setAllowComments(false);
    return parser.parse(std::string(body));
  } catch (const std::exception&) {
    return wrong("its answer is no JSON");
  }
}

Read<Object> as_object(const Var& value) {
  if (value.type() != typeid(Object)) return wrong("its answer is not in the agreed form");
  return value.extract<Object>();
}

Read<Array> as_array(const Var& value) {
  if (value.type() != typeid(Array)) return wrong("its answer is not in the agreed form");
  return value.extract<Array>();
}

// Reads the values of an object one after another and remembers whether all were as they should be.
class Fields {
 public:
  explicit Fields(Object object) : object_(std::move(object)) {}

  bool good() const { return good_; }
  bool has(const char* name) const { return object_->has(name); }

  // Empty: null; `needed`: it may not be missing altogether.
  std::string text(const char* name, bool needed) {
    if (!object_->has(name)) return fail_if(needed);
    const Var value = object_->get(name);
    if (value.isEmpty()) return {};
    if (value.type() != typeid(std::string)) return fail_if(true);
    const std::string& text = value.extract<std::string>();
    if (text.size() > kTextMax || !is_plain_text(text)) return fail_if(true);
    return std::string(trim(text));
  }
  std::string id(const char* name) {
    const Var value = object_->get(name);
    if (value.type() != typeid(std::string) || !is_id(value.extract<std::string>())) return fail_if(true);
    return value.extract<std::string>();
  }
  std::optional<WallTime> time(const char* name) {
    const std::string given = text(name, false);
    if (given.empty()) {
      require(!has(name) || object_->get(name).isEmpty());
      return std::nullopt;
    }
    const auto time = parse_digits(given) ? std::nullopt : parse_time(given);  // seconds alone are none in an answer
    require(time.has_value());
    return time;
  }
  std::optional<std::chrono::seconds> seconds(const char* name) {
    const auto given = number(name);
    if (!given) return std::nullopt;
    require(*given >= 0 && std::trunc(*given) == *given);
    if (!good_) return std::nullopt;
    return std::chrono::seconds{static_cast<std::int64_t>(std::min(*given, static_cast<double>(kYear)))};
  }
  bool boolean(const char* name) {
    const Var value = object_->get(name);
    if (value.type() != typeid(bool)) return good_ = false;
    return value.extract<bool>();
  }
  std::optional<double> number(const char* name) {
    if (!object_->has(name) || object_->get(name).isEmpty()) return std::nullopt;
    return number_of(object_->get(name));
  }
  std::optional<place::Coordinates> coordinates(const char* name) {
    if (!object_->has(name)) return fail();
    const Var value = object_->get(name);
    if (value.isEmpty()) return std::nullopt;
    if (value.type() != typeid(Array)) return fail();
    const Array& pair = value.extract<Array>();
    if (pair->size() != 2) return fail();
    return coordinates_of(number_of(pair->get(0)), number_of(pair->get(1)));
  }
  std::optional<place::Coordinates> coordinates_of(std::optional<double> latitude, std::optional<double> longitude) {
    if (!latitude && !longitude) return std::nullopt;
    if (!latitude || !longitude || !(std::abs(*latitude) <= 90) || !(std::abs(*longitude) <= 180)) return fail();
    return place::Coordinates{*latitude, *longitude};
  }
  void require(bool holds) { good_ = good_ && holds; }

 private:
  std::nullopt_t fail() {
    good_ = false;
    return std::nullopt;
  }
  std::string fail_if(bool it_is) {
    good_ = good_ && !it_is;
    return {};
  }
  std::optional<double> number_of(const Var& value) {
    if (!value.isNumeric() || value.isBoolean()) return fail();
    const double number = value.convert<double>();
    if (!std::isfinite(number)) return fail();
    return number;
  }

  Object object_;
  bool good_ = true;
};

bool is_about(const std::string& text, const Ip& ip) { return Ip::parse(text) == ip; }

Read<place::Location> read_resolved(const Object& object, const Ip& ip) {
  Fields fields(object);
  place::Location at;
  at.country_code = fields.text("country_code", true);
  at.region_iso = fields.text("region_iso", true);
  at.region = fields.text("region", true);
  at.city = fields.text("city", true);
  at.coordinates = fields.coordinates("coordinates");
  fields.boolean("cached");
  fields.require(!fields.text("provider", true).empty());
  fields.require(is_about(fields.text("ip", true), ip));
  fields.require((at.country_code.empty() || place::is_country_code(at.country_code)));
  fields.require(at.region_iso.empty() || place::is_region_iso(at.region_iso));
  if (!fields.good()) return wrong("its answer is not in the agreed form");
  return at;
}

bool is_about_address(ErrorCode code) {
  return code == ErrorCode::unknown_address || code == ErrorCode::reserved_address;
}

// One of several: a location or a problem.
Read<Result<place::Location>> read_resolved_entry(const Object& object, const Ip& ip) {
  Fields fields(object);
  if (!fields.has("code"))
    return read_resolved(object, ip).map([](place::Location at) { return Result<place::Location>(std::move(at)); });
  const std::string name = fields.text("code", true);
  const std::optional<double> status = fields.number("status");
  fields.require(!name.empty() && status && *status >= 400 && *status < 600);
  fields.require(is_about(fields.text("ip", true), ip));
  if (!fields.good()) return wrong("its answer is not in the agreed form");
  const auto code = error_code_of(name);
  return Result<place::Location>(deny(code && is_about_address(*code) ? *code : ErrorCode::upstream_unavailable, {}));
}

Read<Result<place::Location>> read_entry(const Object& object) {
  Fields fields(object);
  const std::string status = fields.text("status", true);
  if (status == "fail") {
    const std::string message = fields.text("message", false);
    if (!fields.good()) return wrong("its answer is not in the agreed form");
    const bool is_reserved = message == "private range" || message == "reserved range";
    return Result<place::Location>(deny(is_reserved ? ErrorCode::reserved_address : ErrorCode::unknown_address, {}));
  }
  place::Location at;
  at.country_code = fields.text("countryCode", false);
  at.region_iso = fields.text("region", false);
  at.region = fields.text("regionName", false);
  at.city = fields.text("city", false);
  const std::optional<double> latitude = fields.number("lat"), longitude = fields.number("lon");
  at.coordinates = fields.coordinates_of(latitude, longitude);
  fields.require(status == "success" && (at.country_code.empty() || place::is_country_code(at.country_code)));
  if (!fields.good()) return wrong("its answer is not in the agreed form");
  if (!place::is_region_iso(at.region_iso)) at.region_iso.clear();
  if (at.empty()) return Result<place::Location>(deny(ErrorCode::unknown_address, {}));
  return Result<place::Location>(std::move(at));
}

// Poco's conversions throw; what they say is nothing that the caller could use.
template <class F>
auto guarded(F read) -> decltype(read()) {
  try {
    return read();
  } catch (const std::exception&) {
    return wrong("its answer is not in the agreed form");
  }
}

}  // namespace

bool is_json(std::string_view content_type) {
  const std::vector<std::string_view> parts = split(content_type, ';');
  const std::string_view type = trim(parts.front());
  if (!iequals(type, "application/json") && !iequals(type, "application/problem+json")) return false;
  return std::all_of(parts.begin() + 1, parts.end(), [](std::string_view part) {
    part = trim(part);
    constexpr std::string_view kCharset = "charset=";
    if (!iequals(part.substr(0, kCharset.size()), kCharset)) return true;
    part.remove_prefix(kCharset.size());
    return iequals(part, "utf-8") || iequals(part, "\"utf-8\"");
  });
}

std::optional<std::chrono::seconds> max_age(std::string_view cache_control) {
  std::optional<std::chrono::seconds> age;
  for (std::string_view part : split(cache_control, ',')) {
    part = trim(part);
    if (iequals(part, "no-store") || iequals(part, "no-cache")) return std::chrono::seconds{0};
    constexpr std::string_view kMaxAge = "max-age=";
    if (!iequals(part.substr(0, kMaxAge.size()), kMaxAge)) continue;
    if (const auto digits = parse_digits(part.substr(kMaxAge.size())))
      age = std::chrono::seconds{std::min(*digits, kYear)};
  }
  return age;
}

std::chrono::seconds retry_after(std::string_view header) {
  constexpr std::uint64_t kMost = 3600;
  return std::chrono::seconds(std::clamp<std::uint64_t>(parse_digits(header).value_or(1), 1, kMost));
}

bool is_passing(ErrorCode code) {
  return code == ErrorCode::upstream_unavailable || code == ErrorCode::deadline_exceeded ||
         code == ErrorCode::rate_limited;
}

Read<Decision> read_decision(std::string_view body) {
  return guarded([&]() -> Read<Decision> {
    const Read<Object> object = parse(body).and_then(as_object);
    if (!object) return wrong(object.error());
    Fields fields(*object);
    Decision decision{
        {fields.id("owner_type"), fields.id("owner_id")}, fields.time("expires_at"), fields.seconds("max_age_s")};
    if (!fields.good()) return wrong("its answer is not in the agreed form");
    return decision;
  });
}

Read<place::Location> read_resolved(std::string_view body, const Ip& ip) {
  return guarded([&]() -> Read<place::Location> {
    const Read<Object> object = parse(body).and_then(as_object);
    if (!object) return wrong(object.error());
    return read_resolved(*object, ip);
  });
}

Read<Locations> read_resolved_batch(std::string_view body, const std::vector<Ip>& ips) {
  return guarded([&]() -> Read<Locations> {
    const Read<Object> object = parse(body).and_then(as_object);
    if (!object) return wrong(object.error());
    const Read<Array> array = as_array((*object)->get("locations"));
    if (!array) return wrong(array.error());
    if ((*array)->size() != ips.size()) return wrong("its answer does not tell of every address");
    Locations out;
    out.reserve(ips.size());
    for (std::size_t i = 0; i < ips.size(); ++i)
      out.push_back(guarded([&]() -> Read<Result<place::Location>> {
        const Read<Object> each = as_object((*array)->get(static_cast<unsigned>(i)));
        if (!each) return wrong(each.error());
        return read_resolved_entry(*each, ips[i]);
      }));
    return out;
  });
}

Read<ErrorCode> read_problem(std::string_view body, int status) {
  return guarded([&]() -> Read<ErrorCode> {
    const Read<Object> object = parse(body).and_then(as_object);
    if (!object) return wrong(object.error());
    Fields fields(*object);
    const auto code = error_code_of(fields.text("code", true));
    if (!fields.good() || !code || row_of(*code).http_status != status)
      return wrong("its answer is not in the agreed form");
    return *code;
  });
}

Read<Result<place::Location>> read_ip_api(std::string_view body, const Ip& ip) {
  return guarded([&]() -> Read<Result<place::Location>> {
    const Read<Object> object = parse(body).and_then(as_object);
    if (!object) return wrong(object.error());
    Fields fields(*object);
    if (!is_about(fields.text("query", true), ip)) return wrong("its answer is about another address");
    return read_entry(*object);
  });
}

Read<Locations> read_ip_api_batch(std::string_view body, const std::vector<Ip>& ips) {
  return guarded([&]() -> Read<Locations> {
    const Read<Var> value = parse(body);
    if (!value) return wrong(value.error());
    const Read<Array> array = as_array(*value);
    if (!array) return wrong(array.error());
    std::map<Ip, Object> by_query;  // the first of several about one address
    for (const Var& each : **array) {
      if (each.type() != typeid(Object)) continue;
      const Object& object = each.extract<Object>();
      if (const auto ip = Ip::parse(Fields(object).text("query", true))) by_query.emplace(*ip, object);
    }
    Locations out;
    out.reserve(ips.size());
    for (const Ip& ip : ips) {
      const auto found = by_query.find(ip);
      out.push_back(found == by_query.end() ? wrong("its answer does not tell of every address")
                                            : guarded([&] { return read_entry(found->second); }));
    }
    return out;
  });
}

}  // namespace geo::io::http
