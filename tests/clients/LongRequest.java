import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.concurrent.TimeUnit;
import okhttp3.OkHttpClient;
import okhttp3.Request;

/**
 * A request whose answer takes long: java LongRequest.java URL CLASS. CLASS is that of a socket
 * factory from docs/long-requests.md, which a test appends to this file, or empty.
 */
public class LongRequest {
  public static void main(String[] arguments) throws Exception {
    OkHttpClient.Builder builder = new OkHttpClient.Builder().readTimeout(14, TimeUnit.SECONDS);
    if (!arguments[1].isEmpty()) {
      Class<?> factory = Class.forName(arguments[1], true, LongRequest.class.getClassLoader());
      builder.socketFactory(
          (javax.net.SocketFactory) factory.getDeclaredConstructor().newInstance());
    }
    OkHttpClient client = builder.build();
    Request request = new Request.Builder().url(arguments[0]).build();
    System.out.println("ready");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
    while (input.readLine() != null) {
      try {
        client.newCall(request).execute().body().bytes();
        System.out.println("ok");
      } catch (Exception error) {
        System.out.println("error " + error.getClass().getSimpleName());
      }
    }
    System.exit(0);
  }
}
