// What browsers are told about who may read the answers.
#pragma once

#include <string>
#include <vector>

#include "exchange.h"

namespace geod {

// Threads: immutable.
class Cors {
 public:
  explicit Cors(std::vector<std::string> origins);
  // On every answer.
  void decorate(Exchange& exchange) const;
  // Beside that on the answer to OPTIONS.
  static void preflight(Exchange& exchange);

 private:
  std::vector<std::string> origins_;
  bool any_;
};

}  // namespace geod
