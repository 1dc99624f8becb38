// What is wrong with a MongoDB URI that libmongoc does not take, in words that hold no secret of it.
#pragma once

#include <string>
#include <string_view>

namespace geo::io::mongo {

std::string fault_of(std::string_view uri);

}  // namespace geo::io::mongo
