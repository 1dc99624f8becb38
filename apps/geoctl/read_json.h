// Of what geod says as JSON: what lacks, or is null, is empty, false or 0. Throws Poco::Exception where it is something
// else.
#pragma once

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <cstdint>
#include <string>
#include <vector>

namespace geoctl {

// The object that the text is.
Poco::JSON::Object::Ptr read_json(const std::string& text);

std::string text_of(const Poco::JSON::Object& object, const std::string& key);
bool flag_of(const Poco::JSON::Object& object, const std::string& key);
std::int64_t count_of(const Poco::JSON::Object& object, const std::string& key);
// The items of a list, each as text.
std::vector<std::string> texts_of(const Poco::JSON::Object& object, const std::string& key);
// Never null. Not for a loop's head: it may be nobody else's.
Poco::JSON::Array::Ptr list_of(const Poco::JSON::Object& object, const std::string& key);
// Those of a list that are objects.
std::vector<Poco::JSON::Object::Ptr> objects_of(const Poco::JSON::Object& object, const std::string& key);

}  // namespace geoctl
