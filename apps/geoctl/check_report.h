// What came of checks: for people, as TAP, as JSON, as JUnit.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "output.h"

namespace geoctl {

struct Outcome {
  std::string file;
  std::size_t line = 0;
  std::string name;
  bool ok = false;
  std::string expected, got;            // one line each
  std::string expected_json, got_json;  // objects
  std::string trace;                    // how it came about, for people; lines
  std::string trace_json;               // an object; empty: there is none
  std::chrono::nanoseconds duration{};
};

// Tells one outcome after the other: text on a terminal, JSON with --json, else TAP (version 14).
class CheckReport {
 public:
  CheckReport(Output& output, std::size_t checks);
  void tell(Outcome outcome);
  // Returns the exit status.
  int end();
  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  enum class Form : std::uint8_t { text, json, tap };
  void tell_text(const Outcome& outcome);
  void tell_json(const Outcome& outcome);
  void tell_tap(const Outcome& outcome);

  Output& output_;
  const Form form_;
  std::vector<Outcome> outcomes_;
};

// A suite for each file.
std::string junit(const std::vector<Outcome>& outcomes);

}  // namespace geoctl
