#include "io/mongo/uri.h"

#include <gtest/gtest.h>

#include "io/mongo/connection.h"

using namespace geo::io::mongo;

namespace {

std::string fault(const std::string& uri) {
  const auto opened = Connection::open({uri, "geo"});
  return opened ? "" : opened.error();
}

}  // namespace

TEST(Uri, TakesWhatMongoDbsManualShows) {
  for (const char* good :
       {"mongodb://a.example.com",
        "mongodb://geod:s%40cret@a.example.com:27018,b.example.com/geo?replicaSet=rs0&tls=true",
        "mongodb://a.example.com/"
        "?readPreference=secondaryPreferred&readConcernLevel=majority&w=majority&retryWrites=false",
        "mongodb+srv://geod:secret@cluster.example.com/?authSource=admin", "mongodb://[2001:db8::1]:27017",
        "mongodb://geod:secret@a.example.com/?authMechanism=SCRAM-SHA-256&maxPoolSize=4"})
    EXPECT_EQ(fault(good), "") << good;
}

TEST(Uri, SaysWhatIsWrong) {
  EXPECT_EQ(fault(""), "not a MongoDB URI: it must begin with mongodb:// or mongodb+srv://");
  EXPECT_EQ(fault("http://a.example.com"), "not a MongoDB URI: it must begin with mongodb:// or mongodb+srv://");
  EXPECT_EQ(fault("mongodb://a.example.com:99999"), "its hosts cannot be read");
  EXPECT_EQ(fault("mongodb://"), "its hosts cannot be read");
  EXPECT_EQ(fault("mongodb://a.example.com/?tls=true&readConcernLevel=%ff"), "its option readConcernLevel is wrong");
  EXPECT_EQ(fault("mongodb://a.example.com/?w=0"),
            "its option w is wrong: who got the lease is known by the acknowledgement");
}

// libmongoc takes the first @ for the end of the password, and the rest of it for a host's name.
TEST(Uri, AnAtThatIsNotEncodedIsAFault) {
  for (const char* bad : {"mongodb://geo:hunter@2secret@127.0.0.1:1/", "mongodb://geo:hunter2@@127.0.0.1",
                          "mongodb://geo:1/hunter@127.0.0.1/geo", "mongodb+srv://geo:hun@ter@c.example.com",
                          "mongodb://geo:1?hunter@2@a.example.com/"})
    EXPECT_EQ(fault(bad), "its user or password cannot be read: special characters in them are percent-encoded") << bad;
  EXPECT_EQ(fault("mongodb://geo:hunter%402secret@127.0.0.1:1/?appName=geod@a"), "");
}

// libmongoc passes over them.
TEST(Uri, OptionsThatNobodyKnowsAreFaults) {
  EXPECT_EQ(fault("mongodb://a.example.com/?bogus=hunter2"), "its option bogus is unknown");
  EXPECT_EQ(fault("mongodb://geo:x@a.example.com/?tls=true&serverSelectionTimeout=5"),
            "its option serverSelectionTimeout is unknown");
  EXPECT_EQ(fault("mongodb://a.example.com/?hunter%202=1"), "its option of a strange name is unknown");
  EXPECT_EQ(fault("mongodb://a.example.com/?tls=hunter2"), "its option tls is wrong");
  EXPECT_EQ(fault("mongodb://geo:x@a.example.com/?authMechanism=NOPE"), "its option authMechanism is wrong");
  EXPECT_EQ(fault("mongodb://a.example.com/?maxStalenessSeconds=-7"), "its option maxStalenessSeconds is wrong");
}

TEST(Uri, NoFaultShowsASecret) {
  for (const char* bad : {"mongodb://geod:hunter2/x@a.example.com", "mongodb://geod:hunter2@a.example.com:99999",
                          "mongodb://geod:hunter2%zz@a.example.com", "mongodb://geod:hunter2:@a.example.com",
                          "mongodb://a.example.com:hunter2",
                          "mongodb://a.example.com/?authMechanism=PLAIN&authMechanismProperties=hunter2:%ff",
                          "mongo://geod:hunter2@a.example.com", "mongodb://hunter2@@a.example.com"}) {
    const std::string told = fault(bad);
    EXPECT_NE(told, "") << bad;
    EXPECT_EQ(told.find("hunter2"), told.npos) << told;
  }
}

TEST(Uri, NamesTheServersAlone) {
  const auto opened =
      Connection::open({"mongodb://geod:hunter2@a.example.com,b.example.com:27018/x?replicaSet=r", "geo"});
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->where(), "a.example.com:27017,b.example.com:27018/geo");
  EXPECT_EQ((*Connection::open({"mongodb+srv://u:hunter2@c.example.com", "geo"}))->where(), "c.example.com/geo");
}
