// A MaxMind DB file, read into memory and looked through before anything in it is used.
#pragma once

#include <maxminddb.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "geo/io/mmdb.h"
#include "io/file/bytes.h"
#include "io/mmdb/tree.h"

namespace geo::io::mmdb {

struct Close {
  void operator()(MMDB_s* file) const {
    MMDB_close(file);
    delete file;
  }
};

// Owns: the contents, in anonymous memory that nobody can change or cut short any more.
struct File {
  std::unique_ptr<MMDB_s, Close> mmdb;
  MmdbInfo info;
  Offsets records;  // all that a look-up can reach
};

// A regular file. The error says what is wrong, without the file's name.
tl::expected<Descriptor, std::string> open_to_read(const std::filesystem::path& path);
// As read(2), whatever signals come.
ssize_t read_some(const Descriptor& file, void* to, std::size_t size);

// The error says what is wrong, without the file's name.
tl::expected<File, std::string> open_file(const std::filesystem::path& path);

}  // namespace geo::io::mmdb
