// The trace for people: how a decision came about, step by step.
#pragma once

#include <string>

#include "output.h"

namespace geoctl {

// title: who asks for what, one line. trace: as geo::redirect::append_json() writes it, here or in a running geod.
// Throws Poco::Exception where it is none.
std::string explanation(const Stream& stream, const std::string& title, const std::string& trace);

}  // namespace geoctl
