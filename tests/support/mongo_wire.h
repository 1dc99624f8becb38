// A server that speaks just enough of MongoDB's protocol to be found good, and then answers what the test says.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace geo::test {

// BSON's pieces, little endian.
std::string int32_bytes(std::int32_t value);
// A document of elements that are bytes already: type, name with its NUL, value.
std::string document(const std::string& elements);
std::string element(char type, const std::string& name, const std::string& value);
std::string text(const std::string& name, const std::string& value);
// What a server answers to find: these documents, whatever they are, and no cursor to go on with.
std::string found(const std::vector<std::string>& documents);

class WireServer {
 public:
  using Answer = std::function<std::optional<std::string>()>;
  enum class Greeting : std::uint8_t { good, none };  // none: it accepts, reads and never answers
  // `answer`: the body of the reply to any command but hello; "" closes the connection, nothing never answers.
  explicit WireServer(Answer answer, Greeting greeting = Greeting::good);
  ~WireServer();
  WireServer(const WireServer&) = delete;
  WireServer& operator=(const WireServer&) = delete;

  std::string uri() const { return "mongodb://127.0.0.1:" + std::to_string(port_); }
  // The next replies say they are this many bytes, whatever they are.
  void claim(std::int32_t size) { claimed_ = size; }

 private:
  void serve(int socket);
  Answer answer_;
  Greeting greeting_;
  std::atomic<std::int32_t> claimed_{0};
  int listener_ = -1;
  int stop_ = -1;  // an eventfd: all threads see it
  std::uint16_t port_ = 0;
  std::thread accepts_;
};

}  // namespace geo::test
