#include <fmt/format.h>

#include <algorithm>

#include "geo/base/text.h"
#include "geo/io/file_trials.h"
#include "io/file/document.h"
#include "io/file/rules.h"

namespace geo::io {
namespace {

using To = TrialReference::To;

constexpr std::string_view kRedirect = "redirect";  // the code of success
constexpr std::int64_t kRequestsMax = 100'000'000;
constexpr double kLoadMax = 1e6;

const TextRule& ip_rule() {
  static const TextRule rule{"an IP address",
                             [](std::string_view text, std::string&) { return Ip::parse(text).has_value(); }};
  return rule;
}

const TextRule& place_rule() {
  static const TextRule rule{"a place: RU, RU/MOW, RU/MOW/Москва or RU//Москва",
                             [](std::string_view text, std::string&) {
                               return text.size() <= 256 && is_plain_text(text) && place::parse_place(text);
                             }};
  return rule;
}

const TextRule& token_rule() {
  static const TextRule rule{"1-4096 visible ASCII characters",
                             [](std::string_view text, std::string&) {
                               return !text.empty() && text.size() <= 4096 &&
                                      std::all_of(text.begin(), text.end(),
                                                  [](char c) { return c > 0x20 && c < 0x7f; });
                             },
                             true};
  return rule;
}

const TextRule& code_rule() {
  static const TextRule rule{"redirect or the code of a refusal", [](std::string_view text, std::string&) {
                               return text == kRedirect || error_code_of(text);
                             }};
  return rule;
}

// Reads one file; notes what of the topology it names.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file)
      : document_(file, Document::IfMissing::fault, read_.faults), file_(file.string()) {}

  ReadTrials run() {
    document_.rows("case", read_.cases, [this](Row& row, Case& check) { return read(row, check); });
    document_.rows("share", read_.shares, [this](Row& row, Share& check) { return read(row, check); });
    document_.finish();
    number(read_.cases, "case");
    number(read_.shares, "share");
    if (read_.faults.empty() && read_.cases.empty() && read_.shares.empty())
      read_.faults.push_back({file_, 1, 1, "case", "missing; expected a [[case]] or a [[share]]"});
    for (Fault& fault : read_.faults)
      if (fault.line == 0) fault.line = fault.col = 1;
    sort(read_.faults);
    return std::move(read_);
  }

 private:
  // All rows are kept: one with a fault is never asked.
  template <class T>
  static void number(std::vector<T>& checks, std::string_view table) {
    for (std::size_t i = 0; i < checks.size(); ++i)
      if (checks[i].name.empty()) checks[i].name = fmt::format("{} {}", table, i + 1);
  }

  bool read(Row& row, Case& check) {
    read_common(row, "case", check);
    check.token = row.text("token", token_rule());
    if (check.token && check.server.empty() && row.ok())
      row.fault_missing("server", "missing; a request with a token is for a camera of a server");
    row.table("expect", "a table such as { group = \"ru-msk\" }", [&](Row& expect) {
      check.groups = one_or_more(expect, "group", "case.expect.group", To::group);
      check.nodes = one_or_more(expect, "node", "case.expect.node", To::node);
      check.patterns = one_or_more(expect, "pattern", "case.expect.pattern", To::pattern);
      if (const auto code = expect.text("code", code_rule())) check.code = error_code_of(*code);
    });
    const toml::node* expect = row.take("expect");
    if (expect == nullptr)
      row.fault_missing("expect", "missing; expected a table such as { group = \"ru-msk\" }");
    else if (expect->is_table() && expect->as_table()->empty())
      row.fault("expect", "expected one or more of group, node, pattern, code; found none");
    return true;
  }

  bool read(Row& row, Share& check) {
    read_common(row, "share", check);
    assign(row.integer("requests", 1, kRequestsMax), check.requests);
    assign(row.number("tolerance", 0, 100), check.tolerance);
    const toml::node* expect = row.take("expect");
    if (expect == nullptr)
      row.fault_missing("expect", "missing; expected a table of nodes and percentages");
    else
      check.percent = numbers_of_nodes(row, "expect", "share.expect", 100);
    if (expect != nullptr && expect->is_table() && expect->as_table()->empty())
      row.fault("expect", "expected a table of nodes and percentages, found an empty one");
    return true;
  }

  void read_common(Row& row, std::string_view table, Trial& check) {
    assign(row.text("name", rules::free_text()), check.name);
    check.line = row.line();
    read_client(row, check);
    assign(row.text("server", rules::id()), check.server);
    assign(row.text("camera", rules::id()), check.camera);
    for (const auto& [given, other] : {std::pair("server", "camera"), std::pair("camera", "server")})
      if (row.take(given) != nullptr && row.take(other) == nullptr)
        row.fault_missing(other, "missing; server and camera go together");
    assign(row.text("partner", rules::id()), check.partner);
    assign(row.text("pattern", rules::id()), check.pattern);
    refer(row.take("partner"), fmt::format("{}.partner", table), To::partner);
    refer(row.take("pattern"), fmt::format("{}.pattern", table), To::pattern);
    if (const auto format = row.text("format", rules::format())) check.format = balance::format_of(*format);
    check.exclude = nodes(row, "exclude", table);
    if (check.exclude.size() > kTrialExcludeMax)
      row.fault("exclude", fmt::format("expected at most {} nodes, found {}", kTrialExcludeMax, check.exclude.size()));
    const auto down = nodes(row, "down", table), drain = nodes(row, "drain", table);
    check.down = {down.begin(), down.end()};
    check.drain = {drain.begin(), drain.end()};
    check.load = numbers_of_nodes(row, "load", fmt::format("{}.load", table), kLoadMax);
    check.at = time(row);
  }

  void read_client(Row& row, Trial& check) {
    if (const auto ip = row.text("ip", ip_rule())) {
      check.ip = Ip::parse(*ip);
      check.who = *ip;
    }
    if (const auto place = row.text("place", place_rule())) {
      check.place = place::parse_place(*place);
      check.who = *place;
    }
    const bool has_ip = row.take("ip") != nullptr, has_place = row.take("place") != nullptr;
    if (has_ip && has_place)
      row.fault("place", "expected either ip or place, found both");
    else if (!has_ip && !has_place)
      row.fault_missing("ip", "missing; expected an ip or a place");
  }

  // A TOML date-time, RFC 3339 in a string, or Unix seconds.
  static std::optional<WallTime> time(Row& row) {
    const toml::node* value = row.take("at");
    if (value == nullptr || value->is_date_time()) return row.time("at");
    std::optional<WallTime> time;
    if (const auto* text = value->as_string()) time = parse_time(text->get());
    if (const auto* seconds = value->as_integer()) time = parse_time(fmt::to_string(seconds->get()));
    if (!time) row.fault("at", "expected a time such as 2027-01-15T08:00:00Z or Unix seconds");
    return time;
  }

  std::vector<std::string> nodes(Row& row, std::string_view key, std::string_view table) {
    const auto ids = row.texts(key, rules::id());
    if (!ids) return {};
    refer(row.take(key), fmt::format("{}.{}", table, key), To::node);
    return *ids;
  }

  std::vector<std::string> one_or_more(Row& row, std::string_view key, std::string full_key, To to) {
    const toml::node* value = row.take(key);
    if (value == nullptr) return {};
    refer(value, std::move(full_key), to);
    if (value->is_string()) {
      const auto id = row.text(key, rules::id());
      return id ? std::vector{*id} : std::vector<std::string>{};
    }
    if (!value->is_array()) {
      row.fault(key, fmt::format("expected an id or an array of ids, found {}", kind_of(*value)));
      return {};
    }
    if (value->as_array()->empty()) row.fault(key, "expected an id or an array of ids, found an empty one");
    return row.texts(key, rules::id()).value_or(std::vector<std::string>());
  }

  // { node = NUMBER, .. }
  std::map<std::string, double> numbers_of_nodes(Row& row, std::string_view key, const std::string& full_key,
                                                 double max) {
    std::map<std::string, double> numbers;
    row.table(key, "a table of nodes and numbers", [&](Row& inner) {
      for (const auto& [node, value] : *row.take(key)->as_table()) {
        refer(node, fmt::format("{}.{}", full_key, shown_key(node.str())), To::node);
        if (const auto number = inner.number(node.str(), 0, max)) numbers.emplace(node.str(), *number);
      }
    });
    return numbers;
  }

  // Of a text, or of each text in an array.
  void refer(const toml::node* value, std::string key, To to) {
    if (value == nullptr) return;
    if (const auto* items = value->as_array()) {
      for (const toml::node& item : *items) refer(&item, key, to);
    } else if (const auto* text = value->as_string(); text != nullptr && is_id(text->get())) {
      refer(text->get(), value->source(), std::move(key), to);
    }
  }
  void refer(const toml::key& at, std::string key, To to) { refer(at.str(), at.source(), std::move(key), to); }
  void refer(std::string_view id, const toml::source_region& at, std::string key, To to) {
    read_.references.push_back({to, std::string(id), {file_, at.begin.line, at.begin.column, std::move(key), {}}});
  }

  ReadTrials read_;
  Document document_;
  std::string file_;
};

bool is_there(const TrialReference& reference, const place::Topology& topology) {
  switch (reference.to) {
    case To::node:
      return topology.find_node(reference.id) != place::kNone;
    case To::group:
      return topology.find_group(reference.id) != place::kNone;
    case To::pattern:
      return topology.find_pattern(reference.id) != place::kNone;
    case To::partner:
      return topology.find_partner(reference.id) != place::kNone;
  }
  return false;
}

constexpr std::string_view name_of(To to) {
  constexpr std::string_view kNames[] = {"node", "group", "pattern", "partner"};
  return kNames[static_cast<std::size_t>(to)];
}

}  // namespace

ReadTrials read_trials(const std::filesystem::path& file) { return Reader(file).run(); }

Faults dangling(const std::vector<TrialReference>& references, const place::Topology& topology) {
  Faults faults;
  for (const TrialReference& reference : references) {
    if (is_there(reference, topology)) continue;
    Fault& fault = faults.emplace_back(reference.at);
    fault.message = fmt::format("no {} {}", name_of(reference.to), in_quotes(reference.id));
  }
  return faults;
}

}  // namespace geo::io
