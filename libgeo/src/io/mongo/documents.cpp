#include "io/mongo/documents.h"

#include <Poco/BinaryWriter.h>
#include <Poco/Exception.h>
#include <Poco/MongoDB/Array.h>
#include <Poco/MongoDB/Binary.h>
#include <Poco/MongoDB/JavaScriptCode.h>
#include <Poco/MongoDB/ObjectId.h>
#include <Poco/MongoDB/RegularExpression.h>
#include <bson/bson.h>
#include <fmt/format.h>

#include <limits>
#include <sstream>
#include <utility>

#include "geo/base/text.h"

namespace geo::io::mongo {
namespace {

namespace bson = Poco::MongoDB;

template <class T>
bson::Element::Ptr element(const std::string& name, T value) {
  return new bson::ConcreteElement<T>(name, std::move(value));
}

// Stands for what cannot be carried.
bson::Element::Ptr instead(const std::string& name, const char* type) {
  bson::JavaScriptCode::Ptr code = new bson::JavaScriptCode;
  code->setCode(type);
  return element(name, code);
}

bool is_utf8(std::string_view text) { return bson_utf8_validate(text.data(), text.size(), true); }

// Where the bytes are none of BSON's.
struct Broken {
  std::string why;
};

std::string key_of(const bson_iter_t& at) {
  const std::string_view key(bson_iter_key(&at), bson_iter_key_len(&at));
  if (!is_utf8(key)) throw Broken{"a field's name is not UTF-8"};
  return std::string(key);
}

bool begin(std::string_view bytes, bson_iter_t& at) {
  return bson_iter_init_from_data(&at, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

// Of a document or an array.
std::string_view inside_of(const bson_iter_t& at) {
  std::uint32_t size = 0;
  const std::uint8_t* bytes = nullptr;
  (BSON_ITER_HOLDS_ARRAY(&at) ? bson_iter_array : bson_iter_document)(&at, &size, &bytes);
  return {reinterpret_cast<const char*>(bytes), size};
}

void read_into(Document& out, bson_iter_t& at, int depth);

bson::Element::Ptr nested(const bson_iter_t& at, const std::string& name, int depth) {
  if (depth == kMaxDepth) return instead(name, "too deeply nested");
  bson_iter_t inside;
  if (!begin(inside_of(at), inside)) throw Broken{"a nested document's length is wrong"};
  if (BSON_ITER_HOLDS_ARRAY(&at)) {
    bson::Array::Ptr array = new bson::Array;
    read_into(*array, inside, depth + 1);
    return element(name, array);
  }
  Document::Ptr document = new Document;
  read_into(*document, inside, depth + 1);
  return element(name, document);
}

bson::Element::Ptr date(const bson_iter_t& at, const std::string& name) {
  constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max() / 1000;  // Poco counts microseconds
  const std::int64_t ms = bson_iter_date_time(&at);
  if (ms > kLast || ms < -kLast) return instead(name, "date out of range");
  return element(name, Poco::Timestamp(ms * 1000));
}

bson::Element::Ptr read_element(const bson_iter_t& at, int depth) {
  const std::string name = key_of(at);
  switch (bson_iter_type(&at)) {
    case BSON_TYPE_DOUBLE:
      return element(name, bson_iter_double(&at));
    case BSON_TYPE_UTF8: {
      std::uint32_t size = 0;
      const char* const text = bson_iter_utf8(&at, &size);
      if (!is_utf8({text, size})) return instead(name, "text that is not UTF-8");
      return element(name, std::string(text, size));
    }
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
      return nested(at, name, depth);
    case BSON_TYPE_BINARY: {
      bson_subtype_t subtype{};
      std::uint32_t size = 0;
      const std::uint8_t* bytes = nullptr;
      bson_iter_binary(&at, &subtype, &size, &bytes);
      return element(name, bson::Binary::Ptr(new bson::Binary(bytes, static_cast<Poco::Int32>(size),
                                                              static_cast<unsigned char>(subtype))));
    }
    case BSON_TYPE_OID: {
      char hex[25];
      bson_oid_to_string(bson_iter_oid(&at), hex);
      return element(name, bson::ObjectId::Ptr(new bson::ObjectId(hex)));
    }
    case BSON_TYPE_BOOL:
      return element(name, bson_iter_bool(&at));
    case BSON_TYPE_DATE_TIME:
      return date(at, name);
    case BSON_TYPE_NULL:
      return element(name, bson::NullValue());
    case BSON_TYPE_INT32:
      return element(name, static_cast<Poco::Int32>(bson_iter_int32(&at)));
    case BSON_TYPE_INT64:
      return element(name, static_cast<Poco::Int64>(bson_iter_int64(&at)));
    case BSON_TYPE_REGEX:
      return instead(name, "regular expression");
    case BSON_TYPE_CODE:
    case BSON_TYPE_CODEWSCOPE:
      return instead(name, "JavaScript");
    case BSON_TYPE_TIMESTAMP:
      return instead(name, "timestamp");
    case BSON_TYPE_DECIMAL128:
      return instead(name, "decimal128");
    case BSON_TYPE_MINKEY:
    case BSON_TYPE_MAXKEY:
      return instead(name, "min or max key");
    default:
      return instead(name, "type that is not supported");
  }
}

void read_into(Document& out, bson_iter_t& at, int depth) {
  while (bson_iter_next(&at)) out.addElement(read_element(at, depth));
  if (at.err_off != 0) throw Broken{fmt::format("broken at byte {} of its level {}", at.err_off, depth)};
}

// All of it is BSON, and all text UTF-8, which bson_validate() of libbson 1.23 lets pass.
bool is_sound(std::string_view bytes) {
  bson_iter_t at;
  if (!begin(bytes, at)) return false;
  while (bson_iter_next(&at)) {
    std::uint32_t size = 0;
    if (!is_utf8({bson_iter_key(&at), bson_iter_key_len(&at)})) return false;
    if (BSON_ITER_HOLDS_UTF8(&at)) {
      const char* const text = bson_iter_utf8(&at, &size);
      if (!is_utf8({text, size})) return false;
    }
    if ((BSON_ITER_HOLDS_DOCUMENT(&at) || BSON_ITER_HOLDS_ARRAY(&at)) && !is_sound(inside_of(at))) return false;
  }
  return at.err_off == 0;
}

// `_id` alone, of a document that cannot be read or is too large.
std::string id_in(std::string_view bytes) {
  bson_iter_t at;
  if (!begin(bytes, at)) return "?";
  while (bson_iter_next(&at)) {
    if (std::string_view(bson_iter_key(&at)) != "_id") continue;
    Document only;
    try {
      if (!BSON_ITER_HOLDS_DOCUMENT(&at) && !BSON_ITER_HOLDS_ARRAY(&at)) only.addElement(read_element(at, 1));
    } catch (const Broken&) {
      break;
    }
    return id_of(only);
  }
  return "?";
}

// Makes protected members of Poco's reachable.
struct Open : Document {
  static const bson::ElementSet& elements(const Document& document) { return document.*(&Open::_elements); }
};

}  // namespace

tl::expected<Document::Ptr, NoDocument> read_bson(std::string_view bytes) {
  bson_iter_t at;
  if (!begin(bytes, at)) return tl::unexpected(NoDocument{"?", "its length is wrong"});
  if (bytes.size() > kMaxBytes)
    return tl::unexpected(NoDocument{id_in(bytes), fmt::format("{} bytes; {} are read", bytes.size(), kMaxBytes)});
  try {
    Document::Ptr out = new Document;
    read_into(*out, at, 1);
    return out;
  } catch (const Broken& broken) {
    return tl::unexpected(NoDocument{id_in(bytes), broken.why});
  }
}

tl::expected<std::string, std::string> write_bson(const Document& document) try {
  std::ostringstream stream;
  Poco::BinaryWriter writer(stream, Poco::BinaryWriter::LITTLE_ENDIAN_BYTE_ORDER);
  const_cast<Document&>(document).write(writer);  // Poco's write changes nothing
  writer.flush();
  std::string bytes = std::move(stream).str();
  if (!is_sound(bytes)) return tl::unexpected<std::string>("a document that is not BSON, or whose text is not UTF-8");
  return bytes;
} catch (const Poco::Exception& fault) {
  return tl::unexpected(fmt::format("a document that cannot be written: {}", fault.displayText()));
}

std::string id_of(const Document& document) {
  const bson::Element::Ptr id = document.get("_id");
  if (id.isNull()) return "?";
  switch (id->type()) {
    case bson::ElementTraits<std::string>::TypeId: {
      std::string text = document.get<std::string>("_id");
      if (text.size() > 200) {
        text.resize(200);
        while (!is_utf8(text)) text.pop_back();
      }
      return text;
    }
    case bson::ElementTraits<bson::ObjectId::Ptr>::TypeId:
    case bson::ElementTraits<Poco::Int32>::TypeId:
    case bson::ElementTraits<Poco::Int64>::TypeId:
    case bson::ElementTraits<double>::TypeId:
      return id->toString();
    default:
      return "?";
  }
}

const bson::ElementSet& elements_of(const Document& document) { return Open::elements(document); }

}  // namespace geo::io::mongo
