// The machine: its clock, its environment, files that hold secrets.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "geo/base/clock.h"
#include "geo/base/export.h"

namespace geo::io {

class GEO_EXPORT SystemClock final : public Clock {
 public:
  WallTime wall() const override;
  MonotonicTime monotonic() const override;
};

// From now on this thread leaves the processor to those that want it too (nice 10), where the system lets it.
GEO_EXPORT void stand_back();

// The whole file, at most `bytes_max`; of a pipe, all until its writers are gone. The error says what is wrong and
// names the file.
GEO_EXPORT tl::expected<std::string, std::string> read_text(const std::filesystem::path& file, std::size_t bytes_max);

// Which state of a file it is: another one in its place, or other contents, have another stamp.
struct FileStamp {
  std::uint64_t device = 0, inode = 0, size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;  // Unix time
  bool operator==(const FileStamp&) const = default;
};
// Nothing: there is no such file.
GEO_EXPORT std::optional<FileStamp> stamp_of(const std::filesystem::path& file);

// May it be opened for appending, or be made where it is not there? Changes nothing. The error names the file.
GEO_EXPORT tl::expected<void, std::string> check_appendable(const std::filesystem::path& file);

// May everybody read that file, by its mode?
GEO_EXPORT bool is_open_to_all(const std::filesystem::path& file);

// A signing secret: hex in a regular file (blanks around it do not matter), at least 32 bytes. The error never holds a
// byte of it.
GEO_EXPORT tl::expected<std::vector<std::uint8_t>, std::string> read_secret(const std::filesystem::path& file);

// A key of printable ASCII in a regular file's first and only line. The error never holds a character of it.
GEO_EXPORT tl::expected<std::string, std::string> read_key(const std::filesystem::path& file);

// A regular file's text that is, or may hold, a secret, at most `bytes_max`: its owner wipes it. The error never holds
// a byte of it.
GEO_EXPORT tl::expected<std::string, std::string> read_private(const std::filesystem::path& file,
                                                               std::size_t bytes_max);

// "credential:NAME" -> $CREDENTIALS_DIRECTORY/NAME, anything else -> `relative` under `dir`. The error: the variable is
// not set, or NAME is no plain file name.
GEO_EXPORT tl::expected<std::filesystem::path, std::string> secret_path(std::string_view reference,
                                                                        const std::filesystem::path& dir);

// The environment's variables whose names start with `prefix`.
struct EnvironmentVariable {
  std::string name, value;
};
GEO_EXPORT std::vector<EnvironmentVariable> environment(std::string_view prefix);

}  // namespace geo::io
