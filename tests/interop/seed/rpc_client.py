import pika
import uuid
import time


class Client:
    @staticmethod
    def connect():
        credentials = pika.PlainCredentials('guest', 'guest')
        parameters = pika.ConnectionParameters('192.168.141.129', port=5672, virtual_host='/', credentials=credentials)
        connection = pika.BlockingConnection(parameters)
        return connection

    def __init__(self):
        # 赋值变量，一个循环值
        self.response = None
        # 随机一次唯一的字符串
        self.corr_id = ''
        # 链接远程
        self.connection = self.connect()
        self.channel = self.connection.channel()
        # 声明唯一queue
        result = self.channel.queue_declare('', exclusive=True)
        # 随机取queue名字
        self.callback_queue = result.method.queue
        # 接收callback_queue内的消息，即服务端处理完的结果
        self.channel.basic_consume(queue=self.callback_queue,
                                   auto_ack=False,
                                   on_message_callback=self.on_response)

    def on_response(self, ch, method, props, body):
        if self.corr_id == props.correlation_id:
            self.response = body
            # 手动应答，实例并发时拿错数据再还回去
            ch.basic_ack(delivery_tag=method.delivery_tag)

    def call(self, msg):
        # 每一次call都生成一个唯一id
        self.corr_id = str(uuid.uuid4())
        self.channel.queue_declare(queue='rpc_queue')
        self.channel.basic_publish(exchange='',
                                   routing_key='rpc_queue',
                                   body=msg,
                                   properties=pika.BasicProperties(
                                       # 执行命令之后结果返回给callaback_queue中
                                       reply_to=self.callback_queue,
                                       # 生成UUID 发送给消费端
                                       correlation_id=self.corr_id,))

        while self.response is None:
            # 非阻塞版的start_consuming()
            self.connection.process_data_events()
            print("listen...")
            time.sleep(1)
        return self.response


if __name__ == '__main__':
    client_rpc = Client()
    response = client_rpc.call('ok')
    print("Got %r" % response)
