import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import org.h2.mvstore.MVStore;

/** usage: MongoServer FOLDER PORT (0: a free one). Prints its URI once it listens; ends on SIGTERM. */
public final class MongoServer {
    public static void main(String[] arguments) {
        MVStore store = new MVStore.Builder().fileName(Path.of(arguments[0], "data.h2").toString()).open();
        store.setAutoCommitDelay(1); // ms: what is older survives a kill
        var server = new de.bwaldvogel.mongo.MongoServer(new H2Backend(store));
        server.bind("127.0.0.1", Integer.parseInt(arguments[1]));
        InetSocketAddress address = server.getLocalAddress();
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        System.out.println("mongodb://127.0.0.1:" + address.getPort());
        System.out.flush();
    }
}
