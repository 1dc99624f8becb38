// City databases: what a file says of itself, and which one is old.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "geo/io/mmdb.h"
#include "output.h"

namespace geoctl {

// Networks change hands: providers of such files publish one every month or more often.
inline constexpr std::chrono::days kOldAfter{90};

// A note on stderr for each file that is older than that.
void note_old(Output& output, const std::vector<geo::io::MmdbInfo>& files);

// Of files that could not be opened together: each one that is unusable is refused by name. Returns the exit status.
int refuse_unusable(Output& output, const std::vector<std::filesystem::path>& files);

}  // namespace geoctl
