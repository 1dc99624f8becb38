import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.nio.file.Path;
import org.h2.mvstore.MVStore;

/** usage: MongoServer FOLDER PORT (0: a free one). Prints its URI once it listens; ends on SIGTERM. */
public final class MongoServer {
    /** What was acknowledged survives a kill: H2 would write it within a second. */
    private static final class Backend extends H2Backend {
        Backend(MVStore store) {
            super(store);
        }

        @Override
        public Document handleMessage(MongoMessage message) {
            Document reply = super.handleMessage(message);
            if (getMvStore().hasUnsavedChanges()) commit();
            return reply;
        }
    }

    public static void main(String[] arguments) {
        String file = Path.of(arguments[0], "data.h2").toString();
        var server = new de.bwaldvogel.mongo.MongoServer(new Backend(MVStore.open(file)));
        server.bind("127.0.0.1", Integer.parseInt(arguments[1]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        System.out.println("mongodb://127.0.0.1:" + server.getLocalAddress().getPort());
        System.out.flush();
    }
}
