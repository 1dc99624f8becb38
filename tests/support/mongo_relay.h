// Between a client and a MongoDB server: sees each command on its way, and may keep it back.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace geo::test {

class MongoRelay {
 public:
  enum class Then : std::uint8_t {
    pass,
    mute,  // the server gets it, nothing comes back on that connection
    cut,   // the server gets it, and its answer is lost with the connection
  };
  // Called with a command's name ("find"), on the thread of its connection: it may block.
  using Hook = std::function<Then(const std::string& command)>;

  MongoRelay(const std::string& uri, Hook hook);
  ~MongoRelay();
  MongoRelay(const MongoRelay&) = delete;
  MongoRelay& operator=(const MongoRelay&) = delete;

  // What was given, by way of this one.
  const std::string& uri() const { return uri_; }

 private:
  struct Line;
  void serve(Line& line);

  std::string uri_;
  std::string host_, port_;  // the server's
  Hook hook_;
  int listener_ = -1;
  std::mutex mutex_;
  bool stopping_ = false;
  std::list<Line> lines_;
  std::thread accepts_;
};

}  // namespace geo::test
