#include "io/mongo/lease_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "geo/base/hmac.h"
#include "geo/base/text.h"
#include "io/mongo/fields.h"

namespace geo::io::mongo {
namespace {

using std::chrono::ceil;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kRetryAfter{5};  // as billing says it

std::string text_of(const LeaseId& id) { return hex(id.data(), id.size()); }

std::optional<LeaseId> parse_id(const std::string& text) {
  LeaseId id;
  if (text.size() != 2 * id.size()) return std::nullopt;
  const auto bytes = from_hex(text);
  if (!bytes) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), id.begin());
  if (text_of(id) != text) return std::nullopt;  // capitals would be a second key
  return id;
}

struct Entry {
  LeaseId id;
  const Document* document;  // null: it is none
};

// Those whose keys are ones of ours, each once.
tl::expected<std::vector<Entry>, std::string> entries_of(const Document& document) {
  using Poco::MongoDB::ConcreteElement;
  using Nested = ConcreteElement<Document::Ptr>;
  std::vector<Entry> out;
  const Nested* leases = nullptr;
  for (const auto& element : elements_of(document)) {
    if (element.isNull() || element->name() != "leases") continue;
    if (leases != nullptr) return tl::unexpected<std::string>("leases: is there twice");
    leases = dynamic_cast<const Nested*>(element.get());
    if (leases == nullptr || leases->value().isNull())
      return tl::unexpected<std::string>("leases: expected a document");
  }
  if (leases == nullptr) return out;
  const auto& elements = elements_of(*leases->value());
  out.reserve(elements.size());
  for (const auto& element : elements) {
    const auto id = element.isNull() ? std::nullopt : parse_id(element->name());
    if (!id) continue;
    const auto* const nested = dynamic_cast<const Nested*>(element.get());
    out.push_back({*id, nested == nullptr || nested->value().isNull() ? nullptr : nested->value().get()});
  }
  // BSON lets a key be there twice; a path names the first.
  std::stable_sort(out.begin(), out.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
  const auto same = [](const Entry& a, const Entry& b) { return a.id == b.id; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
  return out;
}

std::optional<HeldLease> read_lease(const Entry& entry) {
  if (entry.document == nullptr) return std::nullopt;
  Fields fields(*entry.document, {});
  const auto taken_at = fields.time("taken_at", Need::required);
  const auto expires_at = fields.time("expires_at", Need::required);
  if (!taken_at || !expires_at) return std::nullopt;
  return HeldLease{entry.id, *taken_at, *expires_at};
}

Poco::Timestamp date(WallTime time) {
  return Poco::Timestamp(std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count());
}

Document::Ptr document_of(const HeldLease& lease, const ListedLease& as_listed) {
  Document::Ptr out = new Document;
  out->add("token", as_listed.token)
      .add("server", as_listed.server)
      .add("camera", as_listed.camera)
      .add("client_ip", as_listed.client_ip)
      .add("taken_at", date(lease.taken_at))
      .add("expires_at", date(lease.expires_at));
  return out;
}

// A user's leases while a batch is settled.
class Ledger {
 public:
  Ledger(const LeaseState& state, seconds lease) : before_(state), lease_(lease) {
    leases_.reserve(state.leases.size());
    for (const HeldLease& each : state.leases) leases_.push_back({each});
  }

  Result<LeaseAnswer> settle(const LeaseRequest& request) {
    Working* own = nullptr;
    std::size_t others = 0;
    WallTime first_end = WallTime::max();
    for (Working& each : leases_) {
      if (each.lease.expires_at <= request.now) continue;
      if (each.lease.id == request.id) {
        own = &each;
      } else if (counts(each, request)) {
        ++others;
        first_end = std::min(first_end, each.lease.expires_at);
      }
    }
    if (!request.takes) return LeaseAnswer{.lease = {}, .leased = {static_cast<std::int64_t>(others), own != nullptr}};
    if (own != nullptr) {
      own->lease.expires_at = std::max(own->lease.expires_at, end_for(request));
      own->is_renewed = true;
      return LeaseAnswer{billing::Lease::renewed, {}};
    }
    const billing::LeaseTerms& terms = request.terms;
    if (terms.streams >= terms.max_streams ||
        others >= static_cast<std::uint64_t>(terms.max_streams) - static_cast<std::uint64_t>(terms.streams))
      return refused(request, others, first_end);
    drop([&](const Working& each) { return each.lease.id == request.id; });  // expired
    if (leases_.size() >= kLeasesMax)
      drop([&](const Working& each) { return each.lease.expires_at <= request.now || !counts(each, request); });
    if (leases_.size() >= kLeasesMax)
      return deny(
          ErrorCode::limit_exceeded,
          fmt::format("{} streams were begun and not reported yet: more are not kept account of", leases_.size()),
          until(first_end, request.now));
    // Up: one that was taken in the millisecond of the report is one after it.
    leases_.push_back({{request.id, ceil<milliseconds>(request.now), end_for(request)}, &request});
    return LeaseAnswer{billing::Lease::taken, {}};
  }

  void drop_expired(WallTime now) {
    drop([&](const Working& each) { return each.lease.expires_at <= now; });
  }

  bool has_changed() const {
    return std::any_of(leases_.begin(), leases_.end(),
                       [](const Working& each) { return each.request != nullptr || each.is_renewed; });
  }

  LeaseState next(std::int64_t rev) const {
    LeaseState next{rev, {}, {}};
    next.leases.reserve(leases_.size());
    for (const Working& each : leases_) next.leases.push_back(each.lease);
    return next;
  }

  Document::Ptr made(const std::string& user, std::int64_t rev) const {
    Document::Ptr leases = new Document;
    for (const Working& each : leases_)
      leases->add(text_of(each.lease.id), document_of(each.lease, each.request->as_listed));
    Document::Ptr out = new Document;
    out->add("_id", user).add("rev", Poco::Int64{rev}).add("expires_at", latest_end()).add("leases", leases);
    return out;
  }

  Document::Ptr changed() const {
    std::vector<LeaseId> stay;
    Document::Ptr set = new Document;
    set->add("expires_at", latest_end());
    for (const auto& [lease, request, is_renewed] : leases_) {
      stay.push_back(lease.id);
      const std::string path = "leases." + text_of(lease.id);
      if (request != nullptr)
        set->add(path, document_of(lease, request->as_listed));
      else if (is_renewed)
        set->add(path + ".expires_at", date(lease.expires_at));
    }
    std::sort(stay.begin(), stay.end());
    Document::Ptr unset = new Document;
    const auto leave = [&](const LeaseId& id) {
      if (!std::binary_search(stay.begin(), stay.end(), id)) unset->add("leases." + text_of(id), std::string());
    };
    for (const HeldLease& each : before_.leases) leave(each.id);
    for (const LeaseId& each : before_.gone) leave(each);
    Document::Ptr out = new Document;
    out->addNewDocument("$inc").add("rev", Poco::Int32{1});
    out->add("$set", set);
    if (!unset->empty()) out->add("$unset", unset);
    return out;
  }

 private:
  struct Working {
    HeldLease lease;
    const LeaseRequest* request = nullptr;  // that took it, in this batch
    bool is_renewed = false;
  };

  static bool counts(const Working& each, const LeaseRequest& request) {
    return !request.terms.reported_at || each.lease.taken_at > *request.terms.reported_at;
  }
  WallTime end_for(const LeaseRequest& request) const { return ceil<milliseconds>(request.now + lease_); }
  static seconds until(WallTime end, WallTime now) {
    return end == WallTime::max() ? kRetryAfter : std::max(seconds(1), ceil<seconds>(end - now));
  }
  // Where the reported streams use up all, the end of a lease makes no room.
  static tl::unexpected<Denial> refused(const LeaseRequest& request, std::size_t others, WallTime first_end) {
    const bool is_full = request.terms.streams >= request.terms.max_streams;
    return deny(ErrorCode::limit_exceeded,
                fmt::format("{} of {} concurrent streams are in use",
                            static_cast<std::uint64_t>(request.terms.streams) + others, request.terms.max_streams),
                is_full ? kRetryAfter : until(first_end, request.now));
  }
  template <class Which>
  void drop(Which which) {
    std::erase_if(leases_, which);
  }
  Poco::Timestamp latest_end() const {
    WallTime end{};
    for (const Working& each : leases_) end = std::max(end, each.lease.expires_at);
    return date(end);
  }

  const LeaseState& before_;
  const seconds lease_;
  std::vector<Working> leases_;  // no id twice
};

}  // namespace

LeaseId lease_id(const billing::LeaseKey& key) {
  std::string text(key.token.begin(), key.token.end());
  text.append(key.server).push_back('\0');
  text.append(key.camera).push_back('\0');
  text.append(key.client_ip.bytes().begin(), key.client_ip.bytes().end());
  const Digest digest = sha256(text);
  LeaseId id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

tl::expected<LeaseState, std::string> read_leases(const Document& document) {
  Fields fields(document, {});
  using Limits = std::numeric_limits<std::int64_t>;
  const auto rev = fields.integer("rev", 0, Limits::max(), Need::required);
  if (rev == Limits::max()) return tl::unexpected<std::string>("rev: cannot be counted up");
  if (!rev) return tl::unexpected(fields.first_fault());
  const auto entries = entries_of(document);
  if (!entries) return tl::unexpected(entries.error());
  LeaseState state{*rev, {}, {}};
  state.leases.reserve(entries->size());
  for (const Entry& each : *entries) {
    if (auto lease = read_lease(each))
      state.leases.push_back(*lease);
    else
      state.gone.push_back(each.id);
  }
  return state;
}

tl::expected<std::vector<ListedLease>, std::string> list_leases(const Document& document, WallTime now) {
  if (const auto state = read_leases(document); !state) return tl::unexpected(state.error());
  const auto entries = entries_of(document);
  if (!entries) return tl::unexpected(entries.error());
  std::vector<ListedLease> out;
  for (const Entry& each : *entries) {
    const auto lease = read_lease(each);
    if (!lease || lease->expires_at <= now) continue;
    const auto text = [&](std::string_view key) {
      return Fields(*each.document, {}).text(key, rules::free_text()).value_or(std::string());
    };
    out.push_back(
        {text("token"), text("server"), text("camera"), text("client_ip"), lease->taken_at, lease->expires_at});
  }
  std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.taken_at < b.taken_at; });
  return out;
}

LeaseRequest::LeaseRequest(const billing::LeaseKey& key, const billing::LeaseTerms& terms_, WallTime now_, bool takes_)
    : id(lease_id(key)), terms(terms_), now(now_), takes(takes_) {
  as_listed.token = hex(key.token.data(), 4);
  as_listed.server = key.server;
  as_listed.camera = key.camera;
  as_listed.client_ip = key.client_ip.to_string();
}

Settlement settle(const std::string& user, const LeaseState& state, const std::vector<const LeaseRequest*>& requests,
                  seconds lease) {
  Ledger ledger(state, lease);
  Settlement out;
  WallTime latest = WallTime::min();
  for (const LeaseRequest* each : requests) {
    out.answers.push_back(ledger.settle(*each));
    latest = std::max(latest, each->now);
  }
  if (!ledger.has_changed()) {
    out.next = state;
    return out;
  }
  ledger.drop_expired(latest);
  const std::int64_t rev = state.rev ? *state.rev + 1 : latest.time_since_epoch().count();
  out.change = state.rev ? ledger.changed() : ledger.made(user, rev);
  out.next = ledger.next(rev);
  return out;
}

}  // namespace geo::io::mongo
