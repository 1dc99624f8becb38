#include "io/mmdb/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <vector>

#include "geo/base/text.h"
#include "io/mmdb/record.h"

namespace geo::io::mmdb {
namespace {

// The MaxMind DB format, version 2.0: search tree, 16 zero bytes, data section, marker, metadata.
constexpr std::string_view kMarker = "\xab\xcd\xefMaxMind.com";
constexpr std::size_t kMetadataMax = std::size_t{128} * 1024;  // the marker stands within the file's last 128 KiB
constexpr std::uint64_t kSeparator = 16;
constexpr std::uint64_t kBytesMax = std::uint64_t{4} << 30;

using Unexpected = tl::unexpected<std::string>;
template <class T>
using Outcome = tl::expected<T, std::string>;

Unexpected system_error(std::string what) {
  return Unexpected(std::move(what) + ": " + std::generic_category().message(errno));
}

class Mapping {
 public:
  Mapping(int fd, std::size_t size) : size_(size), bytes_(mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0)) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (*this) munmap(bytes_, size_);
  }
  explicit operator bool() const { return bytes_ != MAP_FAILED; }
  const std::uint8_t* bytes() const { return static_cast<const std::uint8_t*>(bytes_); }

 private:
  std::size_t size_;
  void* bytes_;
};

// The file's contents in anonymous memory that nobody can change or cut short any more.
Outcome<Descriptor> sealed_copy(const std::filesystem::path& path) {
  const Outcome<Descriptor> from = open_to_read(path);
  if (!from) return Unexpected(from.error());
  Descriptor to(memfd_create("geo-mmdb", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!to.open()) return system_error("cannot be copied into memory");

  std::vector<char> buffer(std::size_t{64} * 1024);
  std::uint64_t copied = 0;
  for (;;) {
    const ssize_t got = read_some(*from, buffer.data(), buffer.size());
    if (got < 0) return system_error("cannot be read");
    if (got == 0) break;
    copied += static_cast<std::uint64_t>(got);
    if (copied > kBytesMax) return Unexpected("is larger than 4 GiB");
    for (ssize_t written = 0; written < got;) {
      const ssize_t put = write(to.get(), buffer.data() + written, static_cast<std::size_t>(got - written));
      if (put < 0 && errno != EINTR) return system_error("cannot be copied into memory");
      written += std::max<ssize_t>(put, 0);
    }
  }
  if (copied == 0) return Unexpected("is empty");
  if (fcntl(to.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
    return system_error("cannot be sealed in memory");
  return to;
}

struct Layout {
  std::uint64_t data_at = 0;
  std::uint32_t data_size = 0;
};

// For messages: what a file says of itself is not trusted on a terminal.
std::string shown_type(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) out += c >= ' ' && c <= '~' && c != '"' ? c : '?';
  return out + '"';
}

// Everything that MMDB_open() takes for granted.
Outcome<Layout> check_metadata(const std::uint8_t* bytes, std::uint64_t size) {
  const std::string_view all(reinterpret_cast<const char*>(bytes), size);
  const std::size_t marker = all.rfind(kMarker);
  if (marker == std::string_view::npos || size - marker > kMetadataMax)
    return Unexpected("is no MaxMind DB, or cut short: there is no metadata");
  const std::uint64_t metadata_at = marker + kMarker.size();
  const auto metadata_size = static_cast<std::uint32_t>(size - metadata_at);

  Checker checker(bytes + metadata_at, metadata_size);
  if (!checker.whole(0)) return Unexpected("its metadata is broken: " + checker.fault());
  MMDB_s metadata{};  // as libmaxminddb itself reads it: a data section alone
  metadata.data_section = bytes + metadata_at;
  metadata.data_section_size = metadata_size;
  const auto number = [&](const char* name) { return find_unsigned(metadata, 0, name); };
  const auto absent = [](const char* name) { return Unexpected(std::string("its metadata has no ") + name); };

  const auto format = number("binary_format_major_version");
  if (!format) return absent("binary_format_major_version");
  if (*format != 2) return Unexpected("is of MaxMind DB format " + std::to_string(*format) + ", not 2");
  constexpr const char* kType[] = {"database_type", nullptr};
  const std::string type = find_text(metadata, 0, kType);
  if (type.empty()) return absent("database_type");
  if (lower(type).find("city") == std::string::npos && lower(type).find("enterprise") == std::string::npos)
    return Unexpected("is of type " + shown_type(type) + ", not a city or enterprise database");
  const auto ip_version = number("ip_version"), record_size = number("record_size"), node_count = number("node_count");
  if (!ip_version) return absent("ip_version");
  if (*ip_version != 4 && *ip_version != 6) return Unexpected("its metadata's ip_version is neither 4 nor 6");
  if (!record_size) return absent("record_size");
  if (*record_size != 24 && *record_size != 28 && *record_size != 32)
    return Unexpected("its metadata's record_size is none of 24, 28, 32");
  if (!node_count || *node_count == 0) return absent("node_count");
  if (*node_count > UINT32_MAX) return Unexpected("its metadata's node_count is too large");

  const std::uint64_t tree_size = *node_count * (*record_size / 4);
  if (tree_size + kSeparator >= marker)
    return Unexpected("is cut short, or its metadata is wrong: a search tree of " + std::to_string(tree_size) +
                      " bytes does not fit in");
  if (all.substr(tree_size, kSeparator).find_first_not_of('\0') != std::string_view::npos)
    return Unexpected("its search tree does not end where its metadata says");
  const std::uint64_t data_at = tree_size + kSeparator;
  if (size - data_at > UINT32_MAX) return Unexpected("its data section is larger than the format allows");
  return Layout{data_at, static_cast<std::uint32_t>(marker - data_at)};
}

}  // namespace

tl::expected<Descriptor, std::string> open_to_read(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a FIFO must not wait for its writer
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file.open() || fstat(file.get(), &info) != 0) return system_error("cannot be read");
  if (S_ISDIR(info.st_mode)) return Unexpected("is a directory");
  if (!S_ISREG(info.st_mode)) return Unexpected("is not a regular file");
  return file;
}

ssize_t read_some(const Descriptor& file, void* to, std::size_t size) {
  ssize_t got = 0;
  do got = read(file.get(), to, size);
  while (got < 0 && errno == EINTR);
  return got;
}

tl::expected<File, std::string> open_file(const std::filesystem::path& path) {
  const Outcome<Descriptor> copy = sealed_copy(path);
  if (!copy) return Unexpected(copy.error());
  struct stat info {};
  if (fstat(copy->get(), &info) != 0) return system_error("cannot be read in memory");
  const auto size = static_cast<std::size_t>(info.st_size);
  Outcome<Layout> layout;
  {
    const Mapping mapping(copy->get(), size);
    if (!mapping) return system_error("cannot be mapped in memory");
    layout = check_metadata(mapping.bytes(), size);
  }
  if (!layout) return Unexpected(layout.error());

  // libmaxminddb opens by name and maps what it opens: the copy, through its name in /proc. The mapping outlives both.
  const std::string name = "/proc/self/fd/" + std::to_string(copy->get());
  auto opening = std::make_unique<MMDB_s>();
  const int error = MMDB_open(name.c_str(), MMDB_MODE_MMAP, opening.get());
  if (error == MMDB_FILE_OPEN_ERROR || error == MMDB_IO_ERROR)
    return system_error("its copy cannot be opened as " + name);
  if (error != MMDB_SUCCESS) return Unexpected(std::string("cannot be used: ") + MMDB_strerror(error));
  File file{std::unique_ptr<MMDB_s, Close>(opening.release()), {}, Offsets()};

  TreeCheck check(*file.mmdb, file.mmdb->file_content + layout->data_at, layout->data_size);
  if (!check.whole()) return Unexpected(check.fault());
  const MMDB_metadata_s& metadata = file.mmdb->metadata;
  file.info = {path.string(),       metadata.database_type, metadata.build_epoch,
               metadata.ip_version, check.networks(),       size};
  file.records = std::move(check.records());
  return file;
}

}  // namespace geo::io::mmdb
