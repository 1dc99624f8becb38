"""The MongoDB that scenes run on keeps its promises: without them, scenes that kill it would show nothing."""

import pymongo
import pytest


def test_what_was_written_survives_a_kill(own_mongo):
    own_mongo.rows().rows.insert_many([{"_id": i} for i in range(1000)], ordered=False)
    own_mongo.server.restart()
    assert own_mongo.rows().rows.count_documents({}) == 1000


def test_a_unique_index_survives_a_kill(own_mongo):
    own_mongo.rows().rows.create_index("owner", unique=True)
    own_mongo.rows().rows.insert_one({"owner": "u1"})
    own_mongo.server.restart()
    with pytest.raises(pymongo.errors.DuplicateKeyError):
        own_mongo.rows().rows.insert_one({"owner": "u1"})


def test_a_stopped_server_answers_again_when_it_goes_on(own_mongo):
    own_mongo.server.stop()
    with pytest.raises(pymongo.errors.PyMongoError):
        pymongo.MongoClient(own_mongo.uri, serverSelectionTimeoutMS=300, connectTimeoutMS=300).admin.command("ping")
    own_mongo.server.cont()
    assert own_mongo.rows().rows.count_documents({}) == 0


def test_databases_are_apart(mongo):
    assert mongo.rows().list_collection_names() == []
    mongo.rows().rows.insert_one({"_id": 1})
