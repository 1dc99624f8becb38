// What is wrong with a MongoDB URI, in words that hold no secret of it.
#pragma once

#include <optional>
#include <string>

namespace geo::io::mongo {

// Before anything else of libmongoc; what it would log is written nowhere.
void start_libmongoc();

// Nothing: it is good, and libmongoc knows each of its options.
std::optional<std::string> fault_of(const std::string& uri);

}  // namespace geo::io::mongo
