#include "geo/io/system.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <system_error>

#include "geo/base/hmac.h"
#include "geo/base/text.h"

namespace geo::io {
namespace {

constexpr std::size_t kSecretFileMax = std::size_t{16} * 1024;
constexpr std::size_t kSecretBytesMin = 32;

// Appends the file's text to `out`; what went wrong, if anything. With room for bytes_max + 1 reserved, `out` never
// moves.
// may_wait: for a pipe, whose writer may take its time.
std::optional<std::string> read_into(std::string& out, const std::filesystem::path& file, std::size_t bytes_max,
                                     bool may_wait = false) {
  const auto trouble = [&](const std::string& what) { return file.string() + ": " + what; };
  const auto system_trouble = [&] { return trouble(std::generic_category().message(errno)); };
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | (may_wait ? 0 : O_NONBLOCK));
  if (fd < 0) return system_trouble();
  std::optional<std::string> result;
  struct stat info {};
  if (fstat(fd, &info) != 0)
    result = system_trouble();
  else if (S_ISDIR(info.st_mode))
    result = trouble("is a directory");
  else if (!may_wait && !S_ISREG(info.st_mode))
    result = trouble("is no regular file");
  // not by the size that stat tells: a pipe or a file in /proc has none, and a file may grow
  while (!result) {
    const std::size_t had = out.size();
    const std::size_t piece = std::min(std::size_t{64} * 1024, bytes_max - had) + 1;  // one more: is there more?
    out.resize(had + piece);
    const ssize_t got = read(fd, out.data() + had, piece);
    const int error = errno;
    out.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    errno = error;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) result = system_trouble();
    if (got <= 0) break;
    if (out.size() > bytes_max) result = trouble("is larger than " + std::to_string(bytes_max) + " bytes");
  }
  close(fd);
  return result;
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos && text.size() % 2 == 0;
}

}  // namespace

WallTime SystemClock::wall() const {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}
MonotonicTime SystemClock::monotonic() const { return std::chrono::steady_clock::now(); }

void stand_back() { ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10); }

tl::expected<std::string, std::string> read_text(const std::filesystem::path& file, std::size_t bytes_max) {
  std::string text;
  if (std::optional<std::string> trouble = read_into(text, file, bytes_max, true))
    return tl::unexpected<std::string>(std::move(*trouble));
  return text;
}

tl::expected<std::vector<std::uint8_t>, std::string> read_secret(const std::filesystem::path& file) {
  std::string text;
  text.reserve(kSecretFileMax + 1);  // a string that grows leaves copies behind
  std::optional<std::string> trouble = read_into(text, file, kSecretFileMax);
  std::vector<std::uint8_t> secret;
  if (!trouble) {
    const std::string_view digits = trim(text);
    if (digits.empty())
      trouble = file.string() + ": is empty";
    else if (!is_hex(digits))
      trouble = file.string() + ": a secret is written in hex digits, two for each byte";
    else if (digits.size() / 2 < kSecretBytesMin)
      trouble = file.string() + ": a secret has at least " + std::to_string(kSecretBytesMin) + " bytes, this one " +
                std::to_string(digits.size() / 2);
    else
      secret = *from_hex(digits);
  }
  wipe(text);
  if (trouble) return tl::unexpected<std::string>(std::move(*trouble));
  return secret;
}

std::optional<FileStamp> stamp_of(const std::filesystem::path& file) {
  struct stat info {};
  if (stat(file.c_str(), &info) != 0) return std::nullopt;
  const auto nanoseconds = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return FileStamp{info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size), nanoseconds(info.st_mtim),
                   nanoseconds(info.st_ctim)};
}

tl::expected<void, std::string> check_appendable(const std::filesystem::path& file) {
  const auto refuse = [&](int error) {
    return tl::unexpected(file.string() + ": cannot be opened: " + std::generic_category().message(error));
  };
  struct stat info {};
  if (stat(file.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return refuse(EISDIR);
    if (faccessat(AT_FDCWD, file.c_str(), W_OK, AT_EACCESS) != 0) return refuse(errno);
    return {};
  }
  if (errno != ENOENT) return refuse(errno);
  const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : ".";
  if (stat(parent.c_str(), &info) != 0) return refuse(errno);
  if (!S_ISDIR(info.st_mode)) return refuse(ENOTDIR);
  if (faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return refuse(errno);
  return {};
}

bool is_open_to_all(const std::filesystem::path& file) {
  struct stat info {};
  return stat(file.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

tl::expected<std::string, std::string> read_key(const std::filesystem::path& file) {
  std::string text;
  if (std::optional<std::string> trouble = read_into(text, file, kSecretFileMax))
    return tl::unexpected<std::string>(std::move(*trouble));
  const std::string_view key = trim(text);
  if (key.empty()) return tl::unexpected<std::string>(file.string() + ": is empty");
  if (std::any_of(key.begin(), key.end(), [](char c) { return c <= ' ' || c > '~'; }))
    return tl::unexpected<std::string>(file.string() + ": a key is one line of printable ASCII without blanks");
  return std::string(key);
}

tl::expected<std::string, std::string> read_private(const std::filesystem::path& file, std::size_t bytes_max) {
  std::string text;
  text.reserve(bytes_max + 1);  // a string that grows leaves copies behind
  if (std::optional<std::string> trouble = read_into(text, file, bytes_max)) {
    wipe(text);
    return tl::unexpected<std::string>(std::move(*trouble));
  }
  return text;
}

tl::expected<std::filesystem::path, std::string> secret_path(std::string_view reference,
                                                             const std::filesystem::path& dir) {
  constexpr std::string_view kCredential = "credential:";
  if (reference.substr(0, kCredential.size()) != kCredential) return dir / reference;
  const std::string_view name = reference.substr(kCredential.size());
  const auto refuse = [&](std::string_view why) {
    return tl::unexpected<std::string>(std::string(reference) + ": " + std::string(why));
  };
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos)
    return refuse("a credential's name is a plain file name");
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
  if (credentials == nullptr || *credentials == '\0')
    return refuse("CREDENTIALS_DIRECTORY is not set: the service manager has passed no credentials");
  return std::filesystem::path(credentials) / name;
}

std::vector<EnvironmentVariable> environment(std::string_view prefix) {
  std::vector<EnvironmentVariable> found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || text.substr(0, equals).substr(0, prefix.size()) != prefix) continue;
    found.push_back({std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))});
  }
  return found;
}

}  // namespace geo::io
