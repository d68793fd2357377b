import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.sql.Connection;
import java.sql.DriverManager;
import java.util.concurrent.Callable;

/**
 * Clients of Java with their defaults: java JavaClient LIBRARY ADDRESS. The system property
 * parameters is appended to the JDBC URL.
 */
public class JavaClient {
  private static Callable<Object> make(String library, String address) throws Exception {
    String url = "http://" + address + "/";
    switch (library) {
      case "HttpClient":
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest request = HttpRequest.newBuilder(URI.create(url)).build();
        return () -> client.send(request, BodyHandlers.ofByteArray());
      case "HttpURLConnection":
        return () -> {
          HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
          return connection.getInputStream().readAllBytes();
        };
      case "pgjdbc":
        Connection database =
            DriverManager.getConnection(
                "jdbc:postgresql://" + address + "/postgres" + System.getProperty("parameters", ""),
                "postgres",
                "");
        return () -> database.createStatement().execute("select 1");
      default:
        throw new IllegalArgumentException(library);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Callable<Object> use = null;
    System.out.println("ready");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    while (input.readLine() != null) {
      try {
        if (use == null) {
          use = make(arguments[0], arguments[1]);
        }
        use.call();
        System.out.println("ok");
      } catch (Exception error) {
        System.out.println("error " + error.getClass().getSimpleName());
      }
    }
    System.exit(0);
  }
}
