// The last good topology: a comment that says what it is, the rows, a comment with the digest of all before it.
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <system_error>

#include "geo/base/hmac.h"
#include "geo/base/text.h"
#include "geo/io/file.h"
#include "io/file/bytes.h"
#include "io/file/tables.h"

namespace geo::io {
namespace {

constexpr std::string_view kComment = "# ";
constexpr std::string_view kHead = "# last_good = { version = ";
constexpr std::string_view kFoot = "# sha256 = ";
constexpr std::size_t kFootSize = kFoot.size() + 64 + 1;

std::string foot_of(std::string_view text) {
  const Digest digest = sha256(text);
  return fmt::format("{}{}\n", kFoot, hex(digest.data(), digest.size()));
}

void read_head(Document& document, LastGood& last) {
  static const TextRule any{"text", [](std::string_view, std::string&) { return true; }};
  Row row(document, "last_good", *document.root().get_as<toml::table>("last_good"));
  assign(row.text("version", any, Need::required), last.version);
  assign(row.text("stamp", any, Need::required), last.stamp);
  assign(row.time("time", Need::required), last.time);
}

}  // namespace

tl::expected<void, std::string> save_last_good(const std::filesystem::path& file, const place::Rows& rows,
                                               std::string_view version, std::string_view stamp, WallTime time) {
  if (auto made = make_parent(file); !made) return made;
  std::string text(kHead);
  Json(text).text(version);
  text += ", stamp = ";
  Json(text).text(stamp);
  text += fmt::format(", time = {} }}\n\n", toml_time(time));
  text += topology_text(rows);
  text += foot_of(text);
  return replace_file(file, text, 0600);  // the URLs of checks may hold passwords
}

tl::expected<LastGood, NoLastGood> read_last_good(const std::filesystem::path& file) {
  const auto not_used = [&](std::string_view why, bool missing = false) {
    return tl::make_unexpected(NoLastGood{missing, fmt::format("{}: {}", file.string(), why)});
  };
  std::error_code error;
  if (std::filesystem::status(file, error).type() == std::filesystem::file_type::not_found)
    return not_used("no such file", true);
  const auto bytes = read_bytes(file);
  if (!bytes) return not_used(bytes.error());
  const std::string_view all = *bytes;
  if (!all.starts_with(kHead) && !kHead.starts_with(all)) return not_used("is no last good topology");
  if (all.size() < kHead.size() + kFootSize ||
      all.substr(all.size() - kFootSize) != foot_of(all.substr(0, all.size() - kFootSize)))
    return not_used("is torn: its last line is not the digest of what stands before it");

  LastGood last;
  Faults faults;
  const std::string_view head = all.substr(kComment.size(), all.find('\n') - kComment.size());
  Document about(file, head, faults);
  if (about.readable()) read_head(about, last);
  Document document(file, all, faults);
  read_topology(document, last.rows);
  if (faults.empty())
    for (const RowFault& fault : place::check(last.rows)) document.fault(fault);
  if (faults.empty()) return last;
  sort(faults);
  return tl::make_unexpected(NoLastGood{false, to_string(faults.front())});
}

tl::expected<FileLock, NotKept> FileLock::take(const std::filesystem::path& file) {
  const std::string name = file.string() + ".lock";
  const auto failed = [&](std::string_view why, bool elsewhere = false) {
    return tl::unexpected(NotKept{elsewhere, fmt::format("{}: {}", name, why)});
  };
  if (const auto made = make_parent(file); !made) return failed(made.error());
  Descriptor opened(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!opened.open()) return failed(std::system_category().message(errno));
  if (const auto locked = lock(opened, std::chrono::milliseconds(0)); !locked)
    return locked.error().empty() ? failed("another process holds this lock", true) : failed(locked.error());
  return FileLock(opened.release());
}

FileLock::~FileLock() { Descriptor(std::exchange(descriptor_, -1)); }

}  // namespace geo::io
