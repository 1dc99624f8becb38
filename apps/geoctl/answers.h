// The answers of `geoctl resolve`, one after the other: a table, JSON lines, or CSV.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "geo/resolve.h"
#include "output.h"
#include "progress.h"

namespace geoctl {

// What one provider says of an address.
struct Say {
  std::string_view provider;
  geo::Result<geo::resolve::Located> located;
  std::chrono::nanoseconds duration{};
};

class Answers {
 public:
  enum class Form : std::uint8_t { table, json, csv };
  Answers(Output& output, Progress& progress, Form form);

  // Before the first answer: addresses that will come, so that their column is wide enough.
  void expect(const geo::Ip& ip) { table_.fit({ip.to_string()}); }
  void tell(const geo::Ip& ip, const geo::resolve::Located& located);
  // ip: as it was given where it is no address; empty: it is about no address alone.
  void refuse(const geo::Denial& denial, std::string_view ip);
  // With what each provider says; none was asked about what is no address.
  void trace(std::string_view ip, const geo::Result<geo::resolve::Located>& answer, const std::vector<Say>& says);

  // The highest of all answers.
  int exit_status() const { return exit_status_; }

 private:
  void line(std::string_view text);
  void count(const geo::Denial& denial);
  void tell_says(std::string_view ip, const std::vector<Say>& says, std::string_view answered_by);

  Output& output_;
  Progress& progress_;
  const Form form_;
  Table table_;
  bool header_shown_ = false;
  std::string json_;
  int exit_status_ = geo::kExitOk;
};

}  // namespace geoctl
