// An import: what differs is written so that whoever reads meanwhile, or after it was ended, finds nothing half.
#include <fmt/format.h>

#include <Poco/MongoDB/Array.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "io/mongo/import_lock.h"
#include "io/mongo/parts.h"

namespace geo::io {
namespace {

using mongo::Document;
using Element = Poco::MongoDB::Element;
using Poco::MongoDB::ConcreteElement;

constexpr std::size_t kAtOnce = 1000;  // rows to a step

// What is to be done to one collection.
struct Changes {
  std::vector<std::size_t> rows;       // to be written, by their index
  std::vector<std::string> gone;       // by their _id
  std::vector<Element::Ptr> gone_too;  // by an _id that is no text
  std::uint64_t count() const { return rows.size() + gone.size() + gone_too.size(); }
};

std::optional<std::string> text_of(const Element::Ptr& element) {
  const auto* const text = dynamic_cast<const ConcreteElement<std::string>*>(element.get());
  return text == nullptr ? std::nullopt : std::optional(text->value());
}

// Any of `texts` from `from` on, kAtOnce at most.
Document::Ptr any_of(const std::vector<std::string>& texts, std::size_t from) {
  Poco::MongoDB::Array::Ptr list = new Poco::MongoDB::Array;
  for (std::size_t i = from; i < std::min(from + kAtOnce, texts.size()); ++i)
    list->add(std::to_string(i - from), texts[i]);
  Document::Ptr filter = new Document;
  filter->addNewDocument("_id").add("$in", list);
  return filter;
}

}  // namespace

class MongoAdmin::Import {
 public:
  Import(const Parts& parts, const Data& data, const std::function<void(std::uint64_t, std::uint64_t)>& progress,
         const std::function<bool()>& ends)
      : parts_(parts), data_(data), progress_(progress), ends_(ends) {}

  Result<Imported> run() {
    auto lock = mongo::ImportLock::take(*parts_.quick);
    if (!lock) return tl::unexpected(lock.error());
    lock_ = std::move(*lock);
    auto done = read_version();
    if (done) done = make_indexes();
    if (done) done = compare();
    if (done && total_ == 0 && !topology_differs_ && !leftovers_) return Imported{};
    if (done && topology_differs_) done = write_topology();
    if (done) done = write_rows();
    if (done) done = switch_version();
    if (done) done = remove_rows();
    if (done) done = remove_other_versions();
    if (!done) return tl::unexpected(done.error());
    return imported_;
  }

 private:
  template <class T>
  static const mongo::Collection& collection_of(const std::vector<T>&) {
    return mongo::Documents<T>::collection();
  }
  Result<void> told(const mongo::Done<void>& done) const {
    if (!done) return parts_.refuse(done.error());
    return {};
  }
  // Calls each(table) up to the first refusal.
  template <class Each>
  Result<void> in_topology(const Each& each) {
    Result<void> done;
    mongo::each_of_topology(data_.topology, [&](const auto& table) {
      if (done) done = each(table);
    });
    return done;
  }
  template <class Each>
  Result<void> beside_topology(const Each& each) {
    Result<void> done;
    each_beside_topology(data_, [&](const auto& table) {
      if (done) done = each(table);
    });
    return done;
  }

  Result<void> may_go_on() const {
    if (ends_ && ends_()) return deny(ErrorCode::upstream_unavailable, "ended early; run the import again");
    return lock_->check();
  }

  void advance(std::size_t rows) {
    done_ += rows;
    if (progress_) progress_(done_, total_);
  }

  Result<void> read_version() {
    auto version = mongo::read_version(*parts_.quick, soon());
    if (!version && (version.error().failure || version.error().newer)) return parts_.refuse(version.error());
    broken_ = !version;
    if (version) version_ = std::move(*version);
    return {};
  }

  Result<void> make_indexes() {
    for (const mongo::Collection* const collection : mongo::collections())
      for (const mongo::Index& index : collection->indexes) {
        if (const auto held = may_go_on(); !held) return held;
        Document::Ptr keys = new Document;
        for (const std::string& field : index.fields) keys->add(field, 1);
        const auto done = parts_.bulk->create_index(collection->name, fmt::format("{}", fmt::join(index.fields, "_")),
                                                    keys, index.expire_after, late());
        // Nothing depends on one that only tidies up: a server that has no such indexes does without.
        if (!done && !(index.expire_after && done.error().kind == mongo::Failure::Kind::rejected))
          return parts_.refuse(done.error());
      }
    return {};
  }

  // ---- what differs ----

  Result<void> compare() {
    place::Rows there;
    Faults unreadable;
    if (version_) {
      if (const auto done = parts_.read(version_->version, there, unreadable); !done)
        return parts_.refuse(done.error());
      sort_by_key(there);
    }
    topology_differs_ = !version_ || !unreadable.empty() || there != data_.topology;
    if (!topology_differs_) {
      const auto looked = in_topology([&](const auto& table) { return look_for_leftovers(collection_of(table)); });
      if (!looked) return looked;
    } else {
      mongo::each_of_topology(data_.topology, [&](const auto& table) { total_ += table.size(); });
    }
    return beside_topology([&](const auto& table) {
      auto changes = compare(table);
      if (!changes) return Result<void>(tl::unexpected(changes.error()));
      total_ += changes->count();
      changes_.push_back(std::move(*changes));
      return may_go_on();
    });
  }

  // Of an import that was ended.
  Result<void> look_for_leftovers(const mongo::Collection& collection) {
    mongo::Query query{collection.name, mongo::in_other_versions(version_->version), {"_id"}};
    query.limit = 1;
    return told(parts_.bulk->find(query, soon(), [&](const mongo::Found&) { leftovers_ = true; }));
  }

  template <class Row>
  Result<Changes> compare(const std::vector<Row>& rows) {
    std::unordered_map<std::string, std::size_t> by_id;
    by_id.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) by_id.emplace(mongo::Documents<Row>::key_of(rows[i]), i);
    std::vector<bool> same(rows.size());
    Changes changes;
    const mongo::Collection& collection = mongo::Documents<Row>::collection();
    const auto done =
        parts_.bulk->find({collection.name, {}, collection.fields}, late(), [&](const mongo::Found& found) {
          if (!found) {
            if (!by_id.contains(found.error().id)) changes.gone.push_back(found.error().id);
            return;
          }
          const Element::Ptr id = (*found)->get("_id");
          const std::optional<std::string> text = text_of(id);
          const auto at = !text ? by_id.end() : by_id.find(*text);
          if (at != by_id.end()) {
            const auto row = mongo::Documents<Row>::read(**found);
            same[at->second] = row && *row == rows[at->second];
          } else if (text) {
            changes.gone.push_back(*text);
          } else if (!id.isNull()) {
            changes.gone_too.push_back(id);
          }
        });
    if (!done) return parts_.refuse(done.error());
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (!same[i]) changes.rows.push_back(i);
    return changes;
  }

  // ---- writing: nobody reads a version before the switch ----

  Result<void> write_topology() {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    next_ = {fmt::format("{}-{}", rfc3339(now), fresh().substr(0, 8)), fresh()};
    return in_topology([&](const auto& table) -> Result<void> {
      using Row = typename std::remove_cvref_t<decltype(table)>::value_type;
      for (std::size_t from = 0; from < table.size(); from += kAtOnce) {
        if (const auto held = may_go_on(); !held) return held;
        std::vector<Document::Ptr> documents;
        for (std::size_t i = from; i < std::min(from + kAtOnce, table.size()); ++i)
          documents.push_back(mongo::Documents<Row>::write(table[i], next_.version));
        const auto done = parts_.bulk->insert(collection_of(table).name, documents, late());
        if (!done) return parts_.refuse(done.error());
        imported_.written += documents.size();
        advance(documents.size());
      }
      return {};
    });
  }

  Result<void> write_rows() {
    auto changes = changes_.begin();
    return beside_topology([&](const auto& table) -> Result<void> {
      using Row = typename std::remove_cvref_t<decltype(table)>::value_type;
      const std::vector<std::size_t>& rows = (changes++)->rows;
      for (std::size_t from = 0; from < rows.size(); from += kAtOnce) {
        if (const auto held = may_go_on(); !held) return held;
        std::vector<mongo::Replacement> replacements;
        for (std::size_t i = from; i < std::min(from + kAtOnce, rows.size()); ++i) {
          const Row& row = table[rows[i]];
          replacements.push_back(
              {mongo::equals("_id", mongo::Documents<Row>::key_of(row)), mongo::Documents<Row>::write(row)});
        }
        const auto done = parts_.bulk->replace(collection_of(table).name, replacements, late());
        if (!done) return parts_.refuse(done.error());
        imported_.written += replacements.size();
        advance(replacements.size());
      }
      return {};
    });
  }

  // A new version; or, before documents of others are removed, a new stamp: an import that was stopped for long, and
  // whose documents they are, finds it and gives up.
  Result<void> switch_version() {
    if (!topology_differs_ && !leftovers_) return lock_->renew();
    const TopologyStamp to = topology_differs_ ? next_ : TopologyStamp{version_->version, fresh()};
    for (;;) {
      const auto now = mongo::read_version(*parts_.quick, soon());
      const bool broken = !now && !now.error().failure && !now.error().newer;
      if (!now && !(broken && broken_)) return parts_.refuse(now.error());
      if (now && *now && (!version_ || (*now)->version != version_->version)) return moved();
      if (now && !*now && version_) return moved();
      if (const auto held = lock_->renew(); !held) return held;
      if (broken) {
        const auto done = parts_.quick->replace(std::string(mongo::kVersions),
                                                {{mongo::equals("_id", "topology"), document_of(to, true)}}, soon());
        if (!done) return parts_.refuse(done.error());
        break;
      }
      Document::Ptr filter = mongo::equals("_id", "topology"), change = new Document;
      if (*now)
        filter->add("version", (*now)->version).add("stamp", (*now)->stamp);
      else
        filter->addNewDocument("version").add("$exists", false);
      change->add("$set", document_of(to, false));
      const auto effect = parts_.quick->update(std::string(mongo::kVersions), filter, change, !*now, soon());
      if (!effect) return parts_.refuse(effect.error());
      if (*effect == mongo::Effect::matched || *effect == mongo::Effect::upserted) break;
    }
    imported_.topology = topology_differs_;
    holds_ = to;
    advance(0);
    return {};
  }

  tl::unexpected<Denial> moved() const {
    return deny(ErrorCode::upstream_unavailable, "the store " + parts_.quick->where() +
                                                     ": somebody else has switched its topology; run the import again");
  }

  static Document::Ptr document_of(const TopologyStamp& version, bool with_id) {
    Document::Ptr document = new Document;
    if (with_id) document->add("_id", "topology");
    document->add("version", version.version).add("stamp", version.stamp);
    document->add("schema", static_cast<Poco::Int32>(mongo::kSchema));
    return document;
  }

  // ---- what is gone ----

  Result<void> remove_rows() {
    auto changes = changes_.begin();
    return beside_topology([&](const auto& table) -> Result<void> {
      const Changes& of = *changes++;
      const std::string& collection = collection_of(table).name;
      for (std::size_t from = 0; from < of.gone.size(); from += kAtOnce) {
        const auto done = remove(collection, any_of(of.gone, from));
        if (!done) return done;
        advance(std::min(kAtOnce, of.gone.size() - from));
      }
      for (const Element::Ptr& id : of.gone_too) {
        Document::Ptr filter = new Document;
        filter->addElement(id);
        const auto done = remove(collection, filter);
        if (!done) return done;
        advance(1);
      }
      return {};
    });
  }

  Result<void> remove_other_versions() {
    if (!holds_) return {};
    return in_topology([&](const auto& table) {
      return remove(collection_of(table).name, mongo::in_other_versions(holds_->version));
    });
  }

  Result<void> remove(const std::string& collection, const Document::Ptr& filter) {
    if (const auto held = may_go_on(); !held) return held;
    const auto removed = parts_.bulk->remove(collection, filter, late());
    if (!removed) return parts_.refuse(removed.error());
    imported_.removed += *removed;
    return {};
  }

  const Parts& parts_;
  const Data& data_;  // as kept() has it
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  const std::function<bool()>& ends_;
  std::unique_ptr<mongo::ImportLock> lock_;
  std::optional<TopologyStamp> version_;  // that held at the start
  bool broken_ = false;                   // its document said nothing
  bool topology_differs_ = false, leftovers_ = false;
  std::vector<Changes> changes_;  // by collection, in their order
  TopologyStamp next_;
  std::optional<TopologyStamp> holds_;  // what we switched to
  std::uint64_t done_ = 0, total_ = 0;
  Imported imported_;
};

Result<MongoAdmin::Imported> MongoAdmin::import_data(const Data& data,
                                                     const std::function<void(std::uint64_t, std::uint64_t)>& progress,
                                                     const std::function<bool()>& ends) const {
  const Data wanted = kept(data);
  return Import(*parts_, wanted, progress, ends).run();
}

}  // namespace geo::io
