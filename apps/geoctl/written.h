// A file that a command writes; what is wrong with it is told once, by the option that named it.
#pragma once

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "geo/base/result.h"

namespace geoctl {

class Written {
 public:
  // option: its name. An empty path: nothing is written.
  Written(std::string_view option, std::string path) : option_(option), path_(std::move(path)) {
    if (!path_.empty()) file_.reset(std::fopen(path_.c_str(), "we"));
    if (file_ == nullptr && wanted()) error_ = errno;
  }
  bool wanted() const { return !path_.empty(); }
  void write(std::string_view text) {
    if (file_ != nullptr && std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size()) error_ = errno;
  }
  geo::Result<void> good() const { return error_ == 0 ? geo::Result<void>() : failed(); }
  geo::Result<void> close() {
    if (file_ != nullptr && std::fclose(file_.release()) != 0) error_ = errno;
    return good();
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { static_cast<void>(std::fclose(file)); }
  };
  geo::Result<void> failed() const {
    return geo::deny(geo::ErrorCode::bad_request, fmt::format("{}: {}: {}", option_, path_, std::strerror(error_)));
  }

  std::string_view option_;
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  int error_ = 0;
};

}  // namespace geoctl
