// What stands between a client and a MongoDB server, for those of the tests' that do: sockets, messages, URIs.
#pragma once

#include <string>
#include <string_view>

namespace geo::test {

// A URI of one server, cut where its address stands.
struct MongoUri {
  std::string before, host, port, after;
};
MongoUri split_mongo_uri(const std::string& uri);

int connect_to(const std::string& host, const std::string& port);  // -1: nobody there
bool send_all(int to, std::string_view bytes);
bool receive(int from, std::string& to);    // some bytes; false: the end
std::string message_of(std::string& from);  // the first whole one, taken out of what has come; or ""
// "find"; "" where it is in no form of today.
std::string command_of(const std::string& message);

}  // namespace geo::test
