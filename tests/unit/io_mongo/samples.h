// Documents by hand, and a row of each kind with every field set.
#pragma once

#include <Poco/MongoDB/Array.h>
#include <Poco/MongoDB/Binary.h>
#include <Poco/MongoDB/JavaScriptCode.h>
#include <Poco/MongoDB/ObjectId.h>
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "geo/base/text.h"
#include "io/mongo/rows.h"

namespace geo::io::mongo {
namespace bson = Poco::MongoDB;
using Element = bson::Element::Ptr;

// ---- documents by hand ----

template <class Value>
Element element(const std::string& name, Value value) {
  return new bson::ConcreteElement<Value>(name, value);
}
inline Element text(const std::string& name, std::string value) { return element(name, std::move(value)); }
inline Element int64(const std::string& name, std::int64_t value) {
  return element(name, static_cast<Poco::Int64>(value));
}
inline Element date(const std::string& name, const char* time) {
  return element(name, Poco::Timestamp(parse_time(time)->time_since_epoch().count()));
}
inline Element null(const std::string& name) { return element(name, bson::NullValue()); }
inline Element array(const std::string& name, const std::vector<Element>& items) {
  bson::Array::Ptr array = new bson::Array;
  for (const Element& item : items) array->addElement(item);
  return element(name, array);
}
inline Element texts(const std::string& name, const std::vector<std::string>& items) {
  std::vector<Element> elements;
  for (const std::string& item : items) elements.push_back(text(std::to_string(elements.size()), item));
  return array(name, elements);
}
inline Element document(const std::string& name, const std::vector<Element>& fields) {
  Document::Ptr document = new Document;
  for (const Element& field : fields) document->addElement(field);
  return element(name, document);
}
inline Element code(const std::string& name, const std::string& what) {
  bson::JavaScriptCode::Ptr code = new bson::JavaScriptCode;
  code->setCode(what);
  return element(name, code);
}

inline Document made(const std::vector<Element>& fields) {
  Document document;
  for (const Element& field : fields) document.addElement(field);
  return document;
}

// The document with other fields in the place of those of the same names.
inline Document with(const Document& document, const std::vector<Element>& fields) {
  std::set<std::string> replaced;
  for (const Element& field : fields) replaced.insert(field->name());
  Document out;
  for (const Element& field : elements_of(document))
    if (!replaced.contains(field->name())) out.addElement(field);
  for (const Element& field : fields) out.addElement(field);
  return out;
}

// As it comes back from a server.
inline Document stored(Document::Ptr document) {
  const auto bytes = write_bson(*document);
  if (!bytes) throw std::runtime_error(bytes.error());
  const auto back = read_bson(*bytes);
  if (!back) throw std::runtime_error(back.error().why);
  return **back;
}

// ---- a row of each kind, every field of it set ----

inline WallTime at(std::string_view time) { return *parse_time(time); }

template <class Row>
Row full();
template <>
inline auth::Token full() {
  Digest sha256{};
  sha256.fill(0xab);
  return {sha256, {"user", "u1"}, at("2030-01-01T00:00:00Z")};
}
template <>
inline auth::Grant full() {
  return {{"user", "u1"}, "camera", "100-abcdef", "0", {"view", "control"}};
}
template <>
inline billing::User full() {
  return {"u1", "home", at("2030-01-01T00:00:00Z"), true};
}
template <>
inline billing::Tariff full() {
  return {"home", {"flv", "hls"}, 4};
}
template <>
inline billing::Usage full() {
  return {"u1", 1, at("2026-01-01T00:00:00Z")};
}
template <>
inline devices::Server full() {
  return {"100-abcdef", "msk-1", true, "acme", "user", "u1"};
}
template <>
inline devices::Camera full() {
  return {"100-abcdef", "0", true, {"flv", "ws-fmp4"}};
}
template <>
inline balance::Report full() {
  return {"node-1", at("2026-01-01T00:00:00Z"), false, 120, 0.4};
}
template <>
inline place::Pattern full() {
  return {"streaming", {"any"}, "weighted"};
}
template <>
inline place::Partner full() {
  return {"acme", {"geo.example.com"}, "eu", 0.5, "nearest"};
}
template <>
inline place::Group full() {
  return {"ru-msk", place::Coordinates{55.75, 37.61}, "RU", {"eu"}, {{"RU", "US"}, {"*", "RU"}}};
}
template <>
inline place::Place full() {
  return {"RU", "MOW", "Москва", "ru-msk"};
}
template <>
inline place::Network full() {
  return {*Cidr::parse("10.1.0.0/16"), "ru-msk", {"RU", "MOW", "", "Москва", place::Coordinates{55, 37}}};
}
template <>
inline place::Node full() {
  place::Node node;
  node.id = "node-1";
  node.host = "node-1.example.com";
  node.group = "ru-msk";
  node.dc = "msk-1";
  node.weight = 50;
  node.capacity = 2000;
  node.patterns = {"streaming"};
  node.partners = {"acme"};
  node.formats = {"flv"};
  node.admin = place::Admin::drain;
  node.country = "RU";
  node.coordinates = place::Coordinates{55.7, 37.6};
  node.forbid = {{"US", "RU"}};
  node.check = "http://10.0.0.1/health";
  node.ports = {8443, 8444, 0, 0};
  return node;
}

template <class Row>
Document::Ptr written(const Row& row) {
  if constexpr (InTopology<Row>)
    return Documents<Row>::write(row, "v7");
  else
    return Documents<Row>::write(row);
}
template <class Row>
Document good() {
  return stored(written(full<Row>()));
}
// What is wrong; "": nothing.
template <class Row>
std::string fault(const Document& document) {
  const auto row = Documents<Row>::read(document);
  return row ? "" : row.error();
}

using EveryKind = testing::Types<auth::Token, auth::Grant, billing::User, billing::Tariff, billing::Usage,
                                 devices::Server, devices::Camera, balance::Report, place::Pattern, place::Partner,
                                 place::Group, place::Place, place::Network, place::Node>;

}  // namespace geo::io::mongo
