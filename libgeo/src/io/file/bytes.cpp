#include "io/file/bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>
#include <thread>

namespace geo::io {
namespace {

constexpr std::uintmax_t kBytesMax = 256U << 20U;
constexpr int kNamesTried = 1000;

std::string system_text(int error) { return std::system_category().message(error); }

// A new file beside the one it is to replace, removed unless it was put in place.
class Beside {
 public:
  Beside(const std::filesystem::path& dir, mode_t mode) {
    for (int i = 0; i < kNamesTried; ++i) {
      path_ = dir / fmt::format(".geo-{}-{}.tmp", ::getpid(), i);
      file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
      if (file_.open() || errno != EEXIST) return;
    }
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;
  ~Beside() {
    if (file_.open()) ::unlink(path_.c_str());
  }

  bool open() const { return file_.open(); }

  // Best effort: who is not root can give a file to the groups they are in alone.
  void take_after(const struct stat& old) const {
    if (::fchown(file_.get(), old.st_uid, old.st_gid) != 0 &&
        ::fchown(file_.get(), static_cast<uid_t>(-1), old.st_gid) != 0)
      errno = 0;
    if (::fchmod(file_.get(), old.st_mode & 07777U) != 0) errno = 0;
  }

  bool write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return ::fsync(file_.get()) == 0;
  }

  bool put_in_place_of(const std::filesystem::path& file) {
    if (::rename(path_.c_str(), file.c_str()) != 0) return false;
    file_ = Descriptor();
    return true;
  }

 private:
  std::filesystem::path path_;
  Descriptor file_;
};

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

tl::expected<std::string, std::string> read_bytes(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) return tl::make_unexpected("is a directory, expected a TOML file");
  std::ifstream in(file, std::ios::binary);
  if (!in) return tl::make_unexpected(fmt::format("cannot be opened: {}", system_text(errno)));
  std::string bytes;
  constexpr std::size_t kChunk = 1U << 16U;
  while (in) {
    const std::size_t size = bytes.size();
    bytes.resize(size + kChunk);
    in.read(bytes.data() + size, kChunk);
    bytes.resize(size + static_cast<std::size_t>(in.gcount()));
    if (bytes.size() > kBytesMax) return tl::make_unexpected(fmt::format("is larger than {} MiB", kBytesMax >> 20U));
  }
  if (in.bad()) return tl::make_unexpected("cannot be read");
  return bytes;
}

tl::expected<void, std::string> replace_file(const std::filesystem::path& file, std::string_view bytes, unsigned mode) {
  const auto failed = [&](std::string_view why) {
    return tl::make_unexpected(fmt::format("{}: cannot be written: {}", file.string(), why));
  };
  std::error_code error;
  std::filesystem::path target = file;
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(file, error))) {
    target = std::filesystem::canonical(file, error);
    if (error) return failed(error.message());
  }

  struct stat old {};
  const bool there = ::stat(target.c_str(), &old) == 0;
  if (there && !S_ISREG(old.st_mode)) return failed("is no regular file");
  const std::filesystem::path dir = target.has_parent_path() ? target.parent_path() : ".";
  Beside fresh(dir, there ? 0600 : mode);
  if (!fresh.open()) return failed(system_text(errno));
  if (there) fresh.take_after(old);
  if (!fresh.write(bytes) || !fresh.put_in_place_of(target)) return failed(system_text(errno));

  const Descriptor folder(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.open()) ::fsync(folder.get());  // not every file system can; the new file is there either way
  return {};
}

tl::expected<void, std::string> lock(const Descriptor& file, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kBetween{10};
  const auto end = std::chrono::steady_clock::now() + patience;
  while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return tl::make_unexpected(system_text(errno));
    if (std::chrono::steady_clock::now() >= end) return tl::make_unexpected(std::string());
    std::this_thread::sleep_for(kBetween);
  }
  return {};
}

}  // namespace geo::io
