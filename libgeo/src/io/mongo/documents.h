// BSON <-> Poco's documents, with no trust in the bytes. Poco's own reader is not used: it checks no lengths.
//
// Shape: what a document holds here. Integers, doubles, text (UTF-8), booleans, dates, null, binary,
//        ObjectIds, documents and arrays are Poco's. What it cannot carry (decimal128, timestamps, dates
//        past its range, text that is not UTF-8, ..) and what is nested deeper than kMaxDepth is a JavaScriptCode whose
//        code names the type: a known field of that type is of the wrong type, an unknown one nobody asks for.
#pragma once

#include <Poco/MongoDB/Document.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace geo::io::mongo {

using Poco::MongoDB::Document;

inline constexpr std::size_t kMaxBytes = std::size_t{2} << 20;  // of a document; a larger one is unreadable
inline constexpr int kMaxDepth = 8;                             // the document itself is 1

struct NoDocument {
  std::string id;  // its `_id` as id_of() has it, as far as that can be read
  std::string why;
};

tl::expected<Document::Ptr, NoDocument> read_bson(std::string_view bytes);
// The error says what cannot be stored.
tl::expected<std::string, std::string> write_bson(const Document& document);

// `_id` for a log: text as it is (no more than 200 bytes of it), an ObjectId in hex, a number in digits, else "?".
std::string id_of(const Document& document);
// In their order: what Poco itself finds only by name, one after the other.
const Poco::MongoDB::ElementSet& elements_of(const Document& document);

}  // namespace geo::io::mongo
