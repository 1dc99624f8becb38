// A file's bytes: read whole, replaced whole, one that does so at a time.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace geo::io {

// Owns a file descriptor; -1: none.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

// The whole file, which has to be a regular one. The error completes "FILE: ..".
tl::expected<std::string, std::string> read_bytes(const std::filesystem::path& file);

struct NewFile {
  std::filesystem::path path;
  std::vector<std::string_view> bytes;  // one part behind the other
};
// Who looks at a file at any moment, also after a loss of power, finds the old bytes or the new ones. The first takes
// its place when all are written, so that what cannot be written leaves all as they were. A symbolic link stays one,
// its target is replaced; mode and owner stay as far as the system lets us. The error names the file.
// mode: of a new file, as far as the umask lets it.
tl::expected<void, std::string> replace_files(const std::vector<NewFile>& files, unsigned mode = 0666);
inline tl::expected<void, std::string> replace_file(const std::filesystem::path& file, std::string_view bytes,
                                                    unsigned mode = 0666) {
  return replace_files({{file, {bytes}}}, mode);
}

// The directory that the file stands in, where it is missing. The error names it.
tl::expected<void, std::string> make_parent(const std::filesystem::path& file);

// flock(LOCK_EX). Somebody else holds it for all of `patience`: the error is empty; else it says why.
tl::expected<void, std::string> lock(const Descriptor& file, std::chrono::milliseconds patience);

}  // namespace geo::io
