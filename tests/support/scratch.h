// A folder for one test, gone with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace geo::test {

class Scratch {
 public:
  Scratch() : path_((std::filesystem::temp_directory_path() / "geo-test-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) throw std::runtime_error(path_ + " cannot be made");
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return std::filesystem::path(path_) / name; }

  // A new file under that name.
  std::filesystem::path write(std::string_view name, std::string_view bytes) const {
    std::filesystem::remove(*this / name);
    return overwrite(name, bytes);
  }
  // In place: the same inode, as `cat new > file` does it.
  std::filesystem::path overwrite(std::string_view name, std::string_view bytes) const {
    const std::filesystem::path file = *this / name;
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out << bytes << std::flush;
    if (!out) throw std::runtime_error(file.string() + " cannot be written");
    return file;
  }

 private:
  std::string path_;
};

}  // namespace geo::test
