// The trace for people: how a decision came about, step by step.
#pragma once

#include <string>

#include "geo/redirect.h"
#include "output.h"

namespace geoctl {

// title: who asks for what, one line.
std::string explanation(const Stream& stream, const std::string& title, const geo::redirect::Trace& trace,
                        const geo::place::Topology& topology);

}  // namespace geoctl
