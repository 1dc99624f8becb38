#include "io/file/bytes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <optional>
#include <system_error>
#include <thread>

namespace geo::io {
namespace {

constexpr std::uintmax_t kBytesMax = 256U << 20U;
constexpr int kNamesTried = 1000;

std::string system_text(int error) { return std::system_category().message(error); }

constexpr std::string_view kBesideHead = ".geo-", kBesideFoot = ".tmp";

// What whoever was killed while writing left there: nobody has it locked.
void remove_left_over(const std::filesystem::path& dir) {
  std::error_code ignored;
  for (std::filesystem::directory_iterator it(dir, ignored), end; it != end; it.increment(ignored)) {
    const std::filesystem::path& path = it->path();
    const std::string name = path.filename().string();
    if (!name.starts_with(kBesideHead) || !name.ends_with(kBesideFoot)) continue;
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (file.open() && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
  }
}

// A new file beside the one it is to replace, removed unless it was put in place.
class Beside {
 public:
  Beside(const std::filesystem::path& dir, mode_t mode) {
    remove_left_over(dir);
    for (int i = 0; i < kNamesTried; ++i) {
      path_ = dir / fmt::format("{}{}-{}{}", kBesideHead, ::getpid(), i, kBesideFoot);
      file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
      if (file_.open() ? is_ours() : errno != EEXIST) return;
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

  bool write(const std::vector<std::string_view>& parts) const {
    for (std::string_view bytes : parts)
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
  // Locked before somebody took it for a left over one; where locks are not known nobody can.
  bool is_ours() const {
    struct stat made {};
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) return errno != EWOULDBLOCK;
    return ::fstat(file_.get(), &made) == 0 && made.st_nlink > 0;
  }

  std::filesystem::path path_;
  Descriptor file_;
};

// A file's new bytes, on their way to its place.
class Fresh {
 public:
  explicit Fresh(const std::filesystem::path& file) : file_(file), target_(file) {}

  tl::expected<void, std::string> write(const std::vector<std::string_view>& bytes, mode_t mode) {
    std::error_code error;
    if (std::filesystem::is_symlink(std::filesystem::symlink_status(file_, error))) {
      target_ = std::filesystem::canonical(file_, error);
      if (error) return failed(error.message());
    }
    struct stat old {};
    const bool there = ::stat(target_.c_str(), &old) == 0;
    if (there && !S_ISREG(old.st_mode)) return failed("is no regular file");
    dir_ = target_.has_parent_path() ? target_.parent_path() : ".";
    beside_.emplace(dir_, there ? 0600 : mode);
    if (!beside_->open()) return failed(system_text(errno));
    if (there) beside_->take_after(old);
    if (!beside_->write(bytes)) return failed(system_text(errno));
    return {};
  }

  tl::expected<void, std::string> put_in_place() {
    if (!beside_->put_in_place_of(target_)) return failed(system_text(errno));
    const Descriptor folder(::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.open()) ::fsync(folder.get());  // not every file system can; the new file is there either way
    return {};
  }

 private:
  tl::unexpected<std::string> failed(std::string_view why) const {
    return tl::make_unexpected(fmt::format("{}: cannot be written: {}", file_.string(), why));
  }

  std::filesystem::path file_, target_, dir_;
  std::optional<Beside> beside_;
};

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

tl::expected<std::string, std::string> read_bytes(const std::filesystem::path& file) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat info {};
  if (!in.open() || ::fstat(in.get(), &info) != 0)
    return tl::make_unexpected(fmt::format("cannot be opened: {}", system_text(errno)));
  if (S_ISDIR(info.st_mode)) return tl::make_unexpected("is a directory, expected a TOML file");
  if (!S_ISREG(info.st_mode)) return tl::make_unexpected("is no regular file");
  std::string bytes;
  constexpr std::size_t kChunk = 1U << 16U;
  for (;;) {
    const std::size_t size = bytes.size();
    bytes.resize(size + kChunk);
    const ssize_t got = ::read(in.get(), bytes.data() + size, kChunk);
    if (got < 0 && errno != EINTR) return tl::make_unexpected(fmt::format("cannot be read: {}", system_text(errno)));
    bytes.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return bytes;
    if (bytes.size() > kBytesMax) return tl::make_unexpected(fmt::format("is larger than {} MiB", kBytesMax >> 20U));
  }
}

tl::expected<void, std::string> replace_files(const std::vector<NewFile>& files, unsigned mode) {
  std::deque<Fresh> all;
  for (const NewFile& file : files)
    if (auto written = all.emplace_back(file.path).write(file.bytes, mode); !written) return written;
  for (Fresh& each : all)
    if (auto put = each.put_in_place(); !put) return put;
  return {};
}

tl::expected<void, std::string> make_parent(const std::filesystem::path& file) {
  std::error_code error;
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path(), error);
  if (error)
    return tl::make_unexpected(fmt::format("{}: cannot be made: {}", file.parent_path().string(), error.message()));
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
