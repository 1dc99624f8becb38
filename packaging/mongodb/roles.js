// MongoDB's roles for geod, each with a user: no more than each needs. For mongosh, by an administrator:
//
//   mongosh 'mongodb://admin@db.example.com/?authSource=admin' packaging/mongodb/roles.js
//
// Run it again at will: roles are set to what stands here, users that are there keep their passwords. Then, for example,
//
//   uri = "mongodb://geod:PASSWORD@db.example.com/?authSource=geo&w=majority"       in the file of [store] uri_file
//
// From the environment:
//   GEO_DATABASE                                     [store] database, by default geo; roles and users are made in it
//   GEO_GEOD_PASSWORD, GEO_GEOCTL_PASSWORD, GEO_NODE_PASSWORD, GEO_USAGE_PASSWORD    asked for where they are not there
//
// A server that knows no roles of one's own refuses the first command, and nothing is done. FerretDB 2.7 is one: of whom
// createUser makes there, each may do everything, whatever roles are named.
// That the roles are enough, and no more than that, the tests show by a relay that puts them in force. On MongoDB's own
// server, with access control, the script has not been run.

const database = process.env.GEO_DATABASE || "geo";
const geo = db.getSiblingDB(database);

// "": every collection of the database.
function may(actions, collection) {
  return { resource: { db: database, collection: collection }, actions: actions };
}

const roles = {
  // Reads all. Writes leases alone, and removes nothing.
  geod: [may(["find"], ""), may(["insert", "update"], "leases")],
  // geoctl data import, node drain, token revoke. Whoever only looks (export, diff, lease list) does with geod's.
  geoctl: [may(["find", "insert", "update", "remove", "createCollection", "createIndex"], "")],
  // A node's agent reports of its node. It reads nothing, tokens least of all.
  geo_node: [may(["insert", "update"], "node_states")],
  // Whoever counts running streams, by user.
  geo_usage: [may(["insert", "update"], "usage")],
};
const users = {
  geod: "GEO_GEOD_PASSWORD",
  geoctl: "GEO_GEOCTL_PASSWORD",
  geo_node: "GEO_NODE_PASSWORD",
  geo_usage: "GEO_USAGE_PASSWORD",
};

for (const name of Object.keys(roles)) {
  const known = geo.runCommand({ rolesInfo: name }).roles.length > 0;
  const command = known ? { updateRole: name } : { createRole: name };
  geo.runCommand({ ...command, privileges: roles[name], roles: [] });
  print(`role ${name}: ${known ? "set" : "made"}`);
}

for (const name of Object.keys(users)) {
  if (geo.runCommand({ usersInfo: name }).users.length > 0) {
    geo.runCommand({ updateUser: name, roles: [name] });
    print(`user ${name}: there already, its password stays`);
    continue;
  }
  let password = process.env[users[name]];
  if (!password) {
    print(`a password for the user ${name}:`);
    password = passwordPrompt();
  }
  geo.runCommand({ createUser: name, pwd: password, roles: [name] });
  print(`user ${name}: made`);
}
