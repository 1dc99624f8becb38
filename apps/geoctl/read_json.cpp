#include "read_json.h"

#include <Poco/JSON/Parser.h>

#include <utility>

namespace geoctl {

using Poco::JSON::Array;
using Poco::JSON::Object;

Object::Ptr read_json(const std::string& text) { return Poco::JSON::Parser().parse(text).extract<Object::Ptr>(); }

std::string text_of(const Object& object, const std::string& key) {
  return object.isNull(key) ? std::string() : object.getValue<std::string>(key);
}

bool flag_of(const Object& object, const std::string& key) { return !object.isNull(key) && object.getValue<bool>(key); }

std::int64_t count_of(const Object& object, const std::string& key) {
  return object.isNull(key) ? 0 : object.getValue<std::int64_t>(key);
}

Array::Ptr list_of(const Object& object, const std::string& key) {
  const Array::Ptr list = object.isNull(key) ? nullptr : object.getArray(key);
  return list ? list : Array::Ptr(new Array);
}

std::vector<std::string> texts_of(const Object& object, const std::string& key) {
  std::vector<std::string> all;
  const Array::Ptr list = list_of(object, key);
  for (const auto& each : *list) all.push_back(each.toString());
  return all;
}

std::vector<Object::Ptr> objects_of(const Object& object, const std::string& key) {
  std::vector<Object::Ptr> all;
  const Array::Ptr list = list_of(object, key);
  for (unsigned i = 0; i < list->size(); ++i)
    if (Object::Ptr one = list->getObject(i)) all.push_back(std::move(one));
  return all;
}

}  // namespace geoctl
