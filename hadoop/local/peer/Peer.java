import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.crypto.SecretKey;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.io.Text;
import org.apache.hadoop.ipc.Server;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.hadoop.security.token.SecretManager;
import org.apache.hadoop.security.token.TokenIdentifier;
import org.apache.hadoop.thirdparty.protobuf.MessageOrBuilder;
import org.apache.hadoop.thirdparty.protobuf.TextFormat;
import org.apache.hadoop.yarn.api.ApplicationClientProtocol;
import org.apache.hadoop.yarn.api.ApplicationMasterProtocol;
import org.apache.hadoop.yarn.api.ContainerManagementProtocol;
import org.apache.hadoop.yarn.api.protocolrecords.*;
import org.apache.hadoop.yarn.api.records.*;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.exceptions.ApplicationNotFoundException;
import org.apache.hadoop.yarn.exceptions.InvalidApplicationMasterRequestException;
import org.apache.hadoop.yarn.ipc.YarnRPC;
import org.apache.hadoop.yarn.security.AMRMTokenIdentifier;
import org.apache.hadoop.yarn.security.ContainerTokenIdentifier;
import org.apache.hadoop.yarn.security.NMTokenIdentifier;
import org.apache.hadoop.yarn.security.client.RMDelegationTokenIdentifier;
import org.apache.hadoop.yarn.util.Records;

/**
 * The three services of YARN that warcdl calls, spoken by Hadoop's own code but with little behind them: what a client
 * of another make sends is decoded and printed, and the answers have something in every field that matters.
 *
 * <p>Arguments: the protection (auth, auth-int, auth-conf, or several by commas), and for Kerberos a principal and its
 * keytab. The first line of standard output says where the services listen, and the tokens for them; each further line
 * is a call. All are JSON. Ends with its standard input.
 */
public class Peer {
  static final ApplicationId APP = ApplicationId.newInstance(1700000000000L, 7);
  static final ApplicationAttemptId ATTEMPT = ApplicationAttemptId.newInstance(APP, 1);
  static final NodeId NODE = NodeId.newInstance("node1", 45454);
  static final Map<String, String> PROTECTION =
      Map.of("auth", "authentication", "auth-int", "integrity", "auth-conf", "privacy");

  /** Signs and checks identifiers of any kind with one key. */
  static class Tokens extends SecretManager<TokenIdentifier> {
    final SecretKey key = generateSecret();
    final TokenIdentifier empty;

    Tokens(TokenIdentifier empty) {
      this.empty = empty;
    }

    @Override
    protected byte[] createPassword(TokenIdentifier identifier) {
      return createPassword(identifier.getBytes(), key);
    }

    @Override
    public byte[] retrievePassword(TokenIdentifier identifier) {
      return createPassword(identifier);
    }

    @Override
    public TokenIdentifier createIdentifier() {
      try {
        return empty.getClass().getConstructor().newInstance();
      } catch (ReflectiveOperationException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  static int responseId = 0;

  static Object registerApplicationMaster(RegisterApplicationMasterRequest request) {
    responseId = 0;
    return RegisterApplicationMasterResponse.newInstance(
        Resource.newInstance(4096, 8), Resource.newInstance(64, 1), Map.of(), null,
        List.of(container(2)), "root.default", List.of(nmToken()));
  }

  /** Grants what is asked for, one container for each; tells of one that was lost. */
  static Object allocate(AllocateRequest request) throws Exception {
    if (request.getResponseId() != responseId) {
      throw new InvalidApplicationMasterRequestException("expect " + responseId + ", not " + request.getResponseId());
    }
    List<Container> granted = new ArrayList<>();
    for (ResourceRequest ask : request.getAskList()) {
      for (int i = 0; i < ask.getNumContainers(); i++) {
        granted.add(container(3 + granted.size()));
      }
    }
    ContainerId lost = ContainerId.newContainerId(ATTEMPT, (5L << 40) | 2);
    Token next = Token.newInstance(new byte[] {1, 2}, "YARN_AM_RM_TOKEN", new byte[] {3, 4}, "");
    return AllocateResponse.newInstance(
        ++responseId, List.of(ContainerStatus.newInstance(lost, ContainerState.COMPLETE, "lost \u00fc", -100)),
        granted, List.of(), Resource.newInstance(2048, 4), null, 2, null, List.of(nmToken()), next, List.of());
  }

  static Object finishApplicationMaster(FinishApplicationMasterRequest request) {
    return FinishApplicationMasterResponse.newInstance(true);
  }

  /** Starts all but those whose command is "fail". */
  static Object startContainers(StartContainersRequest request) throws Exception {
    List<ContainerId> started = new ArrayList<>();
    Map<ContainerId, SerializedException> failed = new HashMap<>();
    for (StartContainerRequest one : request.getStartContainerRequests()) {
      ContainerTokenIdentifier token = new ContainerTokenIdentifier();
      ByteBuffer identifier = one.getContainerToken().getIdentifier();
      token.readFields(new java.io.DataInputStream(new java.io.ByteArrayInputStream(
          identifier.array(), identifier.arrayOffset() + identifier.position(), identifier.remaining())));
      if (one.getContainerLaunchContext().getCommands().equals(List.of("fail"))) {
        failed.put(token.getContainerID(), SerializedException.newInstance(new java.io.IOException("as was asked for")));
      } else {
        started.add(token.getContainerID());
      }
    }
    return StartContainersResponse.newInstance(Map.of(), started, failed);
  }

  static Object stopContainers(StopContainersRequest request) {
    return StopContainersResponse.newInstance(request.getContainerIds(), Map.of());
  }

  static Object getContainerStatuses(GetContainerStatusesRequest request) {
    List<ContainerStatus> statuses = new ArrayList<>();
    for (ContainerId id : request.getContainerIds()) {
      statuses.add(ContainerStatus.newInstance(id, ContainerState.RUNNING, "", -1000));
    }
    return GetContainerStatusesResponse.newInstance(statuses, Map.of());
  }

  static Object getNewApplication(GetNewApplicationRequest request) {
    return GetNewApplicationResponse.newInstance(APP, Resource.newInstance(64, 1), Resource.newInstance(4096, 8));
  }

  static Object submitApplication(SubmitApplicationRequest request) {
    return Records.newRecord(SubmitApplicationResponse.class);
  }

  /** Of application N with diagnostics of N characters, to see answers of any length; there is none before the year 1970. */
  static Object getApplicationReport(GetApplicationReportRequest request) throws Exception {
    ApplicationId id = request.getApplicationId();
    if (id.getClusterTimestamp() <= 0) {
      throw new ApplicationNotFoundException("there is no " + id);
    }
    Token token = Token.newInstance(new byte[] {1, 2}, "YARN_AM_RM_TOKEN", new byte[] {3, 4}, "");
    return GetApplicationReportResponse.newInstance(ApplicationReport.newInstance(
        id, ATTEMPT, "alice", "root.default", "name", "node1", -1, null, YarnApplicationState.RUNNING,
        "x".repeat(id.getId()), "http://node1/", 1, 0, 2, FinalApplicationStatus.UNDEFINED, null, "", 0.5f, "WARCDL", token));
  }

  static Object forceKillApplication(KillApplicationRequest request) {
    return KillApplicationResponse.newInstance(true);
  }

  static Object getClusterMetrics(GetClusterMetricsRequest request) {
    return GetClusterMetricsResponse.newInstance(YarnClusterMetrics.newInstance(2));
  }

  static final Tokens CONTAINERS = new Tokens(new ContainerTokenIdentifier());

  static Container container(long number) {
    ContainerId id = ContainerId.newContainerId(ATTEMPT, (5L << 40) | number);
    ContainerTokenIdentifier identifier = new ContainerTokenIdentifier(
        id, NODE.toString(), "alice", Resource.newInstance(128, 1), 4102444800000L, 1, 2, Priority.newInstance(10), 3);
    Token token = Token.newInstance(
        identifier.getBytes(), "ContainerToken", CONTAINERS.createPassword(identifier), "127.0.0.1:45454");
    return Container.newInstance(
        id, NODE, "node1:8042", Resource.newInstance(128, 1), Priority.newInstance(10), token);
  }

  static NMToken nmToken() {
    return NMToken.newInstance(NODE, Token.newInstance(new byte[] {5}, "NMToken", new byte[] {6}, "127.0.0.1:45454"));
  }

  static synchronized void say(String format, String... values) {
    Object[] quoted = Arrays.stream(values).map(Peer::quote).toArray();
    System.out.println(String.format(format, quoted));
    System.out.flush();
  }

  static String quote(String text) {
    StringBuilder quoted = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      quoted.append(c == '"' || c == '\\' ? "\\" + c : c < ' ' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
    }
    return quoted.append('"').toString();
  }

  /** Serves a protocol with the methods of this class; says "NAME": {port, kind, identifier, password}, the last two in base64. */
  static String serve(String name, Class<?> protocol, TokenIdentifier identifier, Configuration conf) throws Exception {
    InvocationHandler calls = (proxy, method, arguments) -> {
      if (method.getDeclaringClass() == Object.class) {
        return method.invoke(conf, arguments);
      }
      Object message = arguments[0].getClass().getMethod("getProto").invoke(arguments[0]);
      String request = TextFormat.shortDebugString((MessageOrBuilder) message);
      say("{\"call\":%s,\"user\":%s,\"auth\":%s,\"request\":%s}", method.getName(),
          Server.getRemoteUser().getUserName(), Server.getRemoteUser().getAuthenticationMethod().name(),
          request.length() > 20000 ? request.substring(0, 20000) : request);
      for (var own : Peer.class.getDeclaredMethods()) {
        if (own.getName().equals(method.getName())) {
          try {
            return own.invoke(null, arguments);
          } catch (java.lang.reflect.InvocationTargetException error) {
            throw error.getCause();
          }
        }
      }
      throw new UnsupportedOperationException(method.getName());
    };
    Tokens tokens = new Tokens(identifier);
    Object service = Proxy.newProxyInstance(Peer.class.getClassLoader(), new Class<?>[] {protocol}, calls);
    Server server = YarnRPC.create(conf).getServer(protocol, service, new InetSocketAddress("127.0.0.1", 0), conf, tokens, 2);
    server.start();
    Base64.Encoder base64 = Base64.getEncoder();
    return String.format("\"%s\":{\"port\":%d,\"kind\":\"%s\",\"identifier\":\"%s\",\"password\":\"%s\"}", name,
        server.getListenerAddress().getPort(), identifier.getKind(), base64.encodeToString(identifier.getBytes()),
        base64.encodeToString(tokens.createPassword(identifier)));
  }

  public static void main(String[] arguments) throws Exception {
    List<String> protections = Arrays.stream(arguments[0].split(",")).map(PROTECTION::get).toList();
    YarnConfiguration conf = new YarnConfiguration();
    conf.set("hadoop.rpc.protection", String.join(",", protections));
    YarnConfiguration client = new YarnConfiguration(conf);
    if (arguments.length > 1) {
      client.set("hadoop.security.authentication", "kerberos");
      UserGroupInformation.setConfiguration(client);
      UserGroupInformation.loginUserFromKeytab(arguments[1], arguments[2]);
    }
    conf.set("hadoop.security.authentication", "token");
    String services = String.join(",",
        serve("client", ApplicationClientProtocol.class,
            new RMDelegationTokenIdentifier(new Text("alice"), new Text("alice"), null), arguments.length > 1 ? client : conf),
        serve("master", ApplicationMasterProtocol.class, new AMRMTokenIdentifier(ATTEMPT, 1), conf),
        serve("containers", ContainerManagementProtocol.class,
            new NMTokenIdentifier(ATTEMPT, NODE, "alice", 1), conf));
    System.out.println("{" + services + "}");
    System.out.flush();
    while (System.in.read() >= 0) {}
    System.exit(0);
  }
}
