// geoctl lease list
#include <fmt/format.h>

#include "geo/base/text.h"
#include "session.h"
#include "store.h"

namespace geoctl {
namespace {

using Leases = std::vector<geo::io::MongoAdmin::Lease>;

void print(Output& output, const Leases& leases) {
  Table table({{"TOKEN"}, {"SERVER"}, {"CAMERA"}, {"CLIENT IP"}, {"TAKEN AT"}, {"EXPIRES AT"}});
  std::vector<std::vector<std::string>> rows;
  for (const auto& lease : leases) {
    rows.push_back({printable(lease.token), printable(lease.server), printable(lease.camera),
                    printable(lease.client_ip), geo::rfc3339(lease.taken_at), geo::rfc3339(lease.expires_at)});
    table.fit(rows.back());
  }
  output.line(output.out.bold(table.header()));
  for (const auto& row : rows) output.line(table.row(row));
}

void print_json(Output& output, const Leases& leases) {
  for (const auto& lease : leases) {
    std::string object;
    geo::Json json(object);
    json.open('{').field("token", lease.token).field("server", lease.server).field("camera", lease.camera);
    json.field("client_ip", lease.client_ip).field("taken_at", geo::rfc3339(lease.taken_at));
    json.field("expires_at", geo::rfc3339(lease.expires_at)).close('}');
    output.line(object);
  }
}

int run_list(Session& session, const std::string& user) {
  Output& output = session.output;
  if (!geo::is_id(user))
    return output.refuse(geo::Denial{geo::ErrorCode::bad_request, fmt::format("USER: must be {}", geo::kIdForm)});
  const OpenedStore store = open_mongo(session, "leases of running streams live in MongoDB");
  if (store.none()) return store.exit_status;
  const auto leases = store.mongo->leases(user);
  if (!leases) return output.refuse(leases.error());
  if (output.json)
    print_json(output, *leases);
  else
    print(output, *leases);
  return geo::kExitOk;
}

}  // namespace

void add_lease(CLI::App& app, Session& session) {
  CLI::App* lease = app.add_subcommand("lease", "Running streams that count against a tariff");
  lease->require_subcommand(1);
  lease->footer("Example:\n  geoctl lease list alice");

  CLI::App* list = lease->add_subcommand("list", "A user's leases that have not expired, the oldest first");
  auto user = std::make_shared<std::string>();
  list->add_option("USER", *user, "The user's id")->required()->option_text(" ");
  list->footer(
      "Examples:\n"
      "  geoctl lease list alice\n"
      "  geoctl --json lease list alice\n\n"
      "They live in MongoDB alone. Exit status: 0 done, 2 the config is wrong, 5 the store is away.");
  list->callback([&session, user] { session.run = [&session, user] { return run_list(session, *user); }; });
}

}  // namespace geoctl
